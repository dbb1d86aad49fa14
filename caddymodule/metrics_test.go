package caddymodule

import (
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// TestMetricsLint applies the rules of `promtool check metrics`.
func TestMetricsLint(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	if err := registerMetrics(registry); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "caddy_affiliate_") || !strings.HasSuffix(family.GetHelp(), ".") {
			t.Errorf("%s: its name or help (%q) is unlike the others'", family.GetName(), family.GetHelp())
		}
	}
	if err := registerMetrics(registry); err != nil {
		t.Errorf("registering again: %v", err)
	}
}

func TestMetricsOutliveReloads(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	s.visit("/?via=demo")
	before := tokensShown(t, s)
	s.load(s.adapt(demoLink+"\n window 7d", ""))
	if after := tokensShown(t, s); before == "" || before == "0" || after != before {
		t.Errorf("the tokens were %q before the reload and are %q", before, after)
	}
}

// tokensShown is the count of tokens as the admin endpoint's metrics show it.
func tokensShown(t *testing.T, s *server) string {
	t.Helper()
	_, metrics := s.get("/metrics")
	found := regexp.MustCompile(`(?m)^caddy_affiliate_tokens_total (\S+)$`).FindStringSubmatch(metrics)
	if found == nil {
		t.Fatal("no count of tokens among the metrics")
	}
	return found[1]
}
