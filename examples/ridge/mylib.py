"""The alphas to try: 0.00 to 0.95 in steps of 0.05."""


def get_alphas():
    return [step / 20 for step in range(20)]
