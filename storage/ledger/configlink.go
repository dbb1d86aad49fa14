package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// LinkID is what a link is known by, whatever its number.
type LinkID struct {
	Network string `json:"network"`
	Code    string `json:"code"`
}

// key returns the id in the form in which codes are compared.
func (id LinkID) key() LinkID { return LinkID{id.Network, tracker.CodeKey(id.Code)} }

// SyncConfigLinks takes over the links of one node's configuration, and disables those that have left it until they come
// back. Nodes may have different configurations: what none of the two lists names is left alone. A listed link wins over
// one that the API made with the same code or subdomain, with a warning. One that an operator disabled stays disabled, with
// a warning. Affiliates go by their names: one that nobody has is made, with a warning if the link was another's. When nothing changes the version stays. tracker.ErrCode: no link may have that code.
func (l *Ledger) SyncConfigLinks(ctx context.Context, links []NewLink, left []LinkID) (warnings []string, err error) {
	err = l.change(ctx, func(c *catalog) error {
		s := configSync{catalog: c, listed: map[LinkID]bool{}, labels: map[label]bool{}}
		err := s.run(ctx, links, left)
		warnings = s.warnings
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("taking over the configuration's links: %w", err)
	}
	return warnings, nil
}

// configSync is one call of SyncConfigLinks.
type configSync struct {
	*catalog
	listed   map[LinkID]bool
	labels   map[label]bool
	warnings []string
}

// label is a subdomain of a network.
type label struct{ network, subdomain string }

func (s *configSync) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

func (s *configSync) run(ctx context.Context, links []NewLink, left []LinkID) error {
	var todo []NewLink
	for _, n := range links {
		n.Source = SourceConfig
		n = n.filled()
		if err := tracker.CheckCode(n.Code); err != nil {
			return fmt.Errorf("link %q: %w", n.Code, err)
		}
		name := LinkID{n.Network, n.Code}.key()
		if s.listed[name] {
			s.warn("link %s is listed twice; the first counts", n.Code)
			continue
		}
		s.listed[name] = true
		sub := label{n.Network, n.Subdomain}
		if n.Subdomain != "" && s.labels[sub] {
			s.warn("subdomain %s is listed twice; link %s goes without", n.Subdomain, n.Code)
			n.Subdomain = ""
		}
		s.labels[sub] = true
		todo = append(todo, n)
	}
	if err := s.retire(ctx, left); err != nil {
		return err
	}
	for _, n := range todo {
		if err := s.upsert(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// retire disables the configuration's links that have left it and are not listed again.
func (s *configSync) retire(ctx context.Context, left []LinkID) error {
	for _, id := range left {
		if s.listed[id.key()] {
			continue
		}
		old, err := s.link(ctx, id.Network, id.Code)
		if errors.Is(err, ErrNotFound) || err == nil && old.Source != SourceConfig {
			continue
		}
		if err != nil {
			return err
		}
		next := old
		next.gone = true
		if err := s.updateLink(ctx, old, next); err != nil {
			return err
		}
	}
	return nil
}

func (s *configSync) upsert(ctx context.Context, n NewLink) error {
	old, err := s.link(ctx, n.Network, n.Code)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if old.ID != 0 && old.Source == SourceAPI {
		s.warn("link %s was made through the API; the configuration's link of that code replaces it", old.Code)
	}
	if old.ID != 0 && old.Source != SourceSession && !old.active {
		s.warn("link %s is in the configuration and stays disabled, since an operator disabled it", old.Code)
	}
	if err := s.claimSubdomain(ctx, n); err != nil {
		return err
	}
	f, err := s.fields(ctx, n)
	if err != nil {
		return err
	}
	next := made(n.Network, SourceConfig, f)
	if old.ID == 0 {
		_, err := s.addOne(ctx, linkKind, n.Network, next.values())
		return err
	}
	if old.Source == SourceConfig && old.AffiliateID != f.AffiliateID {
		s.warn("link %s goes from affiliate %q to %q, whom the configuration names; what it has earned stays with the former. "+
			"To rename an affiliate, change the name in the books first (caddy affiliate affiliate set %d --name …)",
			old.Code, old.Affiliate, n.Affiliate, old.AffiliateID)
	}
	next.active = old.active || old.Source == SourceSession
	next.ContactName, next.ContactEmail, next.Organisation = old.ContactName, old.ContactEmail, old.Organisation
	next.TrainingStatus, next.IsBusiness = old.TrainingStatus, old.IsBusiness
	next.Program, next.GroupID = old.Program, old.GroupID
	return s.updateLink(ctx, old, next)
}

// claimSubdomain takes the subdomain of n from another link that has it.
func (s *configSync) claimSubdomain(ctx context.Context, n NewLink) error {
	if n.Subdomain == "" {
		return nil
	}
	found, err := linkSubdomains.find(ctx, s.tx, n.Network, []string{n.Subdomain})
	if err != nil || found[n.Subdomain] == 0 {
		return err
	}
	holder, err := s.linkByID(ctx, n.Network, found[n.Subdomain])
	if err != nil || tracker.CodeKey(holder.Code) == tracker.CodeKey(n.Code) {
		return err
	}
	if holder.Enabled && !s.listed[LinkID{holder.Network, holder.Code}.key()] {
		s.warn("subdomain %s goes from link %s to the configuration's link %s", n.Subdomain, holder.Code, n.Code)
	}
	next := holder
	next.Subdomain = ""
	return s.updateLink(ctx, holder, next)
}
