package journal

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// gather returns the values of the counters and gauges, and fails for names that promtool would refuse.
func gather(t *testing.T) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	for _, c := range Collectors() {
		registry.MustRegister(c)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		m := f.GetMetric()[0]
		values[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return values
}

func TestMetrics(t *testing.T) {
	const records = "caddy_affiliate_journal_records_total"
	j := open(t, t.TempDir(), Options{})
	before := gather(t)
	put(t, j, payload(1, 100))
	after := gather(t)
	if got := after[records] - before[records]; got != 1 {
		t.Errorf("%v records counted", got)
	}
	if got := after["caddy_affiliate_journal_segment_bytes"]; got != float64(onDisk(t, j.dir)) {
		t.Errorf("%v bytes counted, %d on disk", got, onDisk(t, j.dir))
	}
}
