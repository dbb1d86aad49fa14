package caddymodule

import (
	"slices"
	"sync"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// privacyModes are what the directives of a configuration say of addresses, user agents and GPC, so that a way into the books
// that is no directive keeps no more of a visitor than they do. The zero value is ready.
type privacyModes struct {
	mu        sync.Mutex
	byNetwork map[string]*Handler // of each only the modes, the strictest of all
}

// note takes the modes of a directive.
func (p *privacyModes) note(h *Handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byNetwork == nil {
		p.byNetwork = map[string]*Handler{}
	}
	noted := p.byNetwork[h.network]
	if noted == nil {
		noted = new(Handler)
		p.byNetwork[h.network] = noted
	}
	noted.IP = stricter(noted.IP, h.IP, tracker.IPModes)
	noted.UserAgent = stricter(noted.UserAgent, h.UserAgent, agentValues)
	noted.GPC = stricter(noted.GPC, h.GPC, []string{gpcIgnore, gpcNoShare, gpcHonour})
}

// stricter is the later one in the order; what is not in it, such as no mode, comes first.
func stricter[T comparable](a, b T, order []T) T {
	if slices.Index(order, a) >= slices.Index(order, b) {
		return a
	}
	return b
}

// strictest returns a handler of which only the modes are set: own's where it says something, else those of the network.
func (p *privacyModes) strictest(network string, own *Handler) *Handler {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := &Handler{}
	if noted := p.byNetwork[network]; noted != nil {
		h.IP, h.UserAgent, h.GPC = noted.IP, noted.UserAgent, noted.GPC
	}
	if own.IP != "" {
		h.IP = own.IP
	}
	if own.UserAgent != "" {
		h.UserAgent = own.UserAgent
	}
	if own.GPC != "" {
		h.GPC = own.GPC
	}
	return h
}
