# Ridge regression on the diabetes data set for twenty alphas, all in one file.
import os

import numpy as np
from azureml.core.run import Run
from sklearn.datasets import load_diabetes
from sklearn.externals import joblib
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

os.makedirs('./outputs', exist_ok=True)
run = Run.get_submitted_run()

features, target = load_diabetes(return_X_y=True)
data = train_test_split(features, target, test_size=0.2, random_state=0)
X_train, X_test, y_train, y_test = data

for alpha in np.arange(0.0, 1.0, 0.05):
    ridge = Ridge(alpha=alpha).fit(X_train, y_train)
    mse = mean_squared_error(y_test, ridge.predict(X_test))
    run.log('alpha', alpha)
    run.log('mse', mse)
    joblib.dump(ridge, os.path.join('outputs', 'ridge_{0:.2f}.pkl'.format(alpha)))
    print('alpha {0:.2f}: mse {1:.3f}'.format(alpha, mse))
