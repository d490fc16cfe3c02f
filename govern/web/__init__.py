"""The control plane's web side: portal, API, probes and the published logs."""
