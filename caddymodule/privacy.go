package caddymodule

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// What the signal of Global Privacy Control means.
const (
	gpcHonour  = "honour"   // no consent
	gpcNoShare = "no_share" // the session is forwarded to nobody
	gpcIgnore  = "ignore"   // nothing
)

var gpcValues = []string{gpcHonour, gpcNoShare, gpcIgnore}

// What is kept of a user agent.
const (
	agentFull = "full"
	agentNone = "none"
)

var agentValues = []string{agentFull, agentNone}

// checkPrivacy returns what is wrong with GPC, IP and UserAgent.
func (h *Handler) checkPrivacy() error {
	if h.GPC != "" && !slices.Contains(gpcValues, h.GPC) {
		return fmt.Errorf("gpc %q is not one of: %s", h.GPC, listed(gpcValues))
	}
	if h.IP != "" && !slices.Contains(tracker.IPModes, h.IP) {
		return fmt.Errorf("ip %q is not one of: %s", h.IP, listed(tracker.IPModes))
	}
	if h.UserAgent != "" && !slices.Contains(agentValues, h.UserAgent) {
		return fmt.Errorf("user_agent %q is not one of: %s", h.UserAgent, listed(agentValues))
	}
	return nil
}

// noShare reports whether nothing of r's visitor may be forwarded.
func (h *Handler) noShare(r *http.Request) bool {
	return h.GPC == gpcNoShare && tracker.HasGPC(r.Header)
}

// agent is what is kept of the user agent.
func (h *Handler) agent(r *http.Request) string {
	if h.UserAgent == agentNone {
		return ""
	}
	agent, cut := tracker.CaptureUserAgent(r.UserAgent())
	countCut("user_agent", cut)
	return agent
}

// address is what is kept of the client's address.
func (h *Handler) address(r *http.Request, now time.Time) string {
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	kept := h.keptAddress(ip, now)
	if kept != "" {
		h.warnOfForgery(r)
	}
	return kept
}

// warnOfForgery says, once of each server, that its clients can choose the address which is recorded of them: it trusts
// proxies, which append to X-Forwarded-For, and believes the first address in it. A server keeps its proxies to itself, so this
// waits for the first click that one of them brings.
func (h *Handler) warnOfForgery(r *http.Request) {
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	if server == nil || !trusted || server.TrustedProxiesStrict > 0 {
		return
	}
	if _, warned := h.app.forgeable.LoadOrStore(server.Name(), true); !warned {
		h.logger.Warn("this server has trusted_proxies without trusted_proxies_strict, so clients can choose the address that is "+
			"recorded of them; set trusted_proxies_strict in its global option servers", "server", server.Name())
	}
}

// keptAddress is what is kept of an address.
func (h *Handler) keptAddress(ip string, now time.Time) string {
	switch h.IP {
	case tracker.IPTruncate:
		return tracker.TruncateIP(ip)
	case tracker.IPHash:
		if sealer := h.app.sealer(); sealer != nil {
			return sealer.HashIP(h.network, ip, now)
		}
		return "" // the app is starting
	case tracker.IPNone:
		return ""
	}
	return ip
}
