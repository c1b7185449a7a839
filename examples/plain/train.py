"""A script that needs nothing but Python: fits a line to a few points by gradient descent."""

from pathlib import Path

from runyard import Run

run = Run.get_context()
points = [(x / 10, 3.0 * x / 10 + 1.0) for x in range(20)]
slope, offset = 0.0, 0.0
for step in range(200):
    grad_slope = sum(2 * (slope * x + offset - y) * x for x, y in points) / len(points)
    grad_offset = sum(2 * (slope * x + offset - y) for x, y in points) / len(points)
    slope -= 0.1 * grad_slope
    offset -= 0.1 * grad_offset
    if step % 50 == 49:
        loss = sum((slope * x + offset - y) ** 2 for x, y in points) / len(points)
        run.log("loss", loss)
        print(f"step {step + 1}: loss {loss:.6f}")

Path("outputs").mkdir(exist_ok=True)
Path("outputs/line.txt").write_text(f"y = {slope:.3f} x + {offset:.3f}\n")
