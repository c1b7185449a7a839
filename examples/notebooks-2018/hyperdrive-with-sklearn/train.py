# One ridge regression; the regularisation is an argument, so that a sweep can try many.
import argparse
import os

from azureml.core.run import Run
from sklearn.datasets import load_diabetes
from sklearn.externals import joblib
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument('--alpha', type=float, dest='alpha', default=0.5, help='regularization strength')
args = parser.parse_args()

run = Run.get_submitted_run()
os.makedirs('./outputs', exist_ok=True)

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)

run.log('alpha', args.alpha)
model = Ridge(alpha=args.alpha)
model.fit(X_train, y_train)
mse = mean_squared_error(y_test, model.predict(X_test))
run.log('mse', mse)
print('alpha {0}: mse {1}'.format(args.alpha, mse))

joblib.dump(value=model, filename='outputs/model.pkl')
