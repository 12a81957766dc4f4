module testbed/crd

go 1.24.0

require (
	github.com/kedacore/keda/v2 v2.16.1
	github.com/prometheus-operator/prometheus-operator v0.79.2
)
