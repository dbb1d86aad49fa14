package forward

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// metric sums what the package's metrics say of a destination under a name; of a histogram it is how often. ok is false where they
// say nothing. Labels are "name=value".
func metric(t *testing.T, name, destination string, labels ...string) (value float64, ok bool) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			has := map[string]string{}
			for _, l := range m.GetLabel() {
				has[l.GetName()] = l.GetValue()
			}
			if has["destination"] != destination {
				continue
			}
			matches := true
			for _, l := range labels {
				label, want, _ := strings.Cut(l, "=")
				matches = matches && has[label] == want
			}
			if matches {
				value += m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
				ok = true
			}
		}
	}
	return value, ok
}
