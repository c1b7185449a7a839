"""Ridge regression on the diabetes data set: logs a metric per alpha and saves each model.

The import lines are those of 2018; nothing in this file knows Runyard.
"""

import argparse
import pickle
from pathlib import Path

from azureml.core.run import Run
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

import mylib

parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float, help="one value instead of the whole sweep")
args = parser.parse_args()

run = Run.get_submitted_run()
X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
outputs = Path("outputs")
outputs.mkdir(exist_ok=True)

for alpha in [args.alpha] if args.alpha is not None else mylib.get_alphas():
    model = Ridge(alpha=alpha).fit(X_train, y_train)
    mse = mean_squared_error(y_test, model.predict(X_test))
    run.log("alpha", alpha)
    run.log("mse", mse)
    (outputs / f"ridge_{alpha:.2f}.pkl").write_bytes(pickle.dumps(model))
    print(f"alpha {alpha:.2f}: mse {mse:.3f}")
