package caddymodule

import (
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestStrictestModes(t *testing.T) {
	var p privacyModes
	if got := p.strictest("acme", &Handler{}); got.IP != "" || got.UserAgent != "" || got.GPC != "" {
		t.Errorf("with no directive the modes are %q, %q, %q", got.IP, got.UserAgent, got.GPC)
	}
	for _, h := range []*Handler{
		{network: "acme", IP: tracker.IPTruncate, GPC: gpcHonour},
		{network: "acme", UserAgent: agentNone, GPC: gpcNoShare},
		{network: "acme", IP: tracker.IPFull, UserAgent: agentFull, GPC: gpcIgnore},
		{network: "other", IP: tracker.IPNone},
	} {
		p.note(h)
	}
	for name, c := range map[string]struct {
		network string
		own     *Handler
		ip      tracker.IPMode
		agent   string
		gpc     string
	}{
		"as the directives say": {"acme", &Handler{}, tracker.IPTruncate, agentNone, gpcHonour},
		"its own":               {"acme", &Handler{IP: tracker.IPFull, UserAgent: agentFull, GPC: gpcIgnore}, tracker.IPFull, agentFull, gpcIgnore},
		"another network":       {"other", &Handler{GPC: gpcHonour}, tracker.IPNone, "", gpcHonour},
	} {
		if got := p.strictest(c.network, c.own); got.IP != c.ip || got.UserAgent != c.agent || got.GPC != c.gpc {
			t.Errorf("%s: the modes are %q, %q, %q", name, got.IP, got.UserAgent, got.GPC)
		}
	}
}
