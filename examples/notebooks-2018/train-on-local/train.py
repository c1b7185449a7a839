# Ridge regression on the diabetes data set, once for each alpha that mylib supplies.
import os

from azureml.core.run import Run
from sklearn.datasets import load_diabetes
from sklearn.externals import joblib
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

import mylib

os.makedirs('./outputs', exist_ok=True)
run = Run.get_submitted_run()

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)

for alpha in mylib.get_alphas():
    model = Ridge(alpha=alpha)
    model.fit(X_train, y_train)
    mse = mean_squared_error(y_test, model.predict(X_test))

    run.log('alpha', alpha)
    run.log('mse', mse)

    path = 'ridge_{0:.2f}.pkl'.format(alpha)
    with open(path, 'wb') as stream:
        joblib.dump(value=model, filename=stream)
    run.upload_file(name='outputs/' + path, path_or_stream=path)
    print('alpha is {0:.2f}, and mse is {1:.2f}'.format(alpha, mse))
