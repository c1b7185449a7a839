# Ridge regression for twenty alphas, on the arrays that lie in a folder.
import argparse
import os

import numpy as np
from azureml.core.run import Run
from sklearn.externals import joblib
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument('--data-folder', type=str, dest='data_folder', help='where features.npy and labels.npy are')
args = parser.parse_args()
print('Data folder:', args.data_folder)

run = Run.get_submitted_run()
os.makedirs('./outputs', exist_ok=True)

X = np.load(os.path.join(args.data_folder, 'features.npy'))
y = np.load(os.path.join(args.data_folder, 'labels.npy'))
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)

for alpha in np.arange(0.0, 1.0, 0.05):
    model = Ridge(alpha=alpha)
    model.fit(X_train, y_train)
    mse = mean_squared_error(y_test, model.predict(X_test))
    run.log('alpha', alpha)
    run.log('mse', mse)
    with open('outputs/ridge_{0:.2f}.pkl'.format(alpha), 'wb') as stream:
        joblib.dump(value=model, filename=stream)
    print('alpha {0:.2f}: mse {1:.3f}'.format(alpha, mse))
