"""The science of OpsSight: scores, thresholds and patterns as pure functions over arrays.

Nothing here knows Kubernetes, Prometheus, the clock or the network. Arrays are time-major
``[time, series]``, float64, with NaN for "no sample". Importing this package loads numpy and
nothing heavier; scikit-learn is imported by the method that asks for it.
"""
