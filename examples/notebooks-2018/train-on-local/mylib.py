import numpy as np


def get_alphas():
    # the regularisation strengths to try: 0.00, 0.05, ... 0.95
    return np.arange(0.0, 1.0, 0.05)
