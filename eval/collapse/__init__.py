"""Direct box regressors beside the locator: scores, gradients, report."""
