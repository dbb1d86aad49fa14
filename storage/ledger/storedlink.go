package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// storedLink is a link with all that decides whether it is live, and what it falls back to. Live is not set.
type storedLink struct {
	tracker.CatalogLink
	active bool                    // the operator's switch
	gone   bool                    // the Caddyfile no longer has it; it is enabled if it is active and not gone
	status tracker.AffiliateStatus // of its affiliate
	offer  tracker.CampaignFields  // of its campaign: archived, window, landing page, deep-link hosts
	tokens *tracker.LinkTokens     // of its group for its programme
}

// edge returns the link as the edges have it: with its campaign's settings where it has none.
func (s *storedLink) edge() tracker.Link {
	e := tracker.Link{
		ID: s.ID, Network: s.Network, Code: s.Code, Affiliate: s.Affiliate, Subdomain: s.Subdomain,
		Destination: cmp.Or(s.Destination, s.offer.LandingPage), Window: cmp.Or(s.Window, s.offer.Window).Duration(),
		Active: s.active && !s.gone && s.status == tracker.AffiliateApproved && !s.offer.Archived, Tokens: s.tokens,
	}
	if len(s.DeepLinkHosts) > 0 {
		e.DeepLinkHosts = s.DeepLinkHosts
	} else if len(s.offer.DeepLinkHosts) > 0 {
		e.DeepLinkHosts = s.offer.DeepLinkHosts
	}
	if s.ExpiresAt != nil {
		e.ExpiresAt = *s.ExpiresAt
	}
	return e
}

func (s *storedLink) link() Link {
	return Link{
		Link: s.edge(), Enabled: s.active && !s.gone, AffiliateID: s.AffiliateID, CampaignID: s.CampaignID, Campaign: s.Campaign, Source: s.Source,
		CreatedAt: s.CreatedAt,
	}
}

// at returns the link as the books show it at that time.
func (s *storedLink) at(now time.Time) tracker.CatalogLink {
	edge := s.edge()
	shown := s.CatalogLink
	shown.Live = edge.Live(now)
	return shown
}

// enable sets the operator's switch. A link that nobody answers for becomes the operator's own when it is enabled.
func (s *storedLink) enable(on bool) {
	s.active = on
	if on && (s.gone || s.Source == SourceSession) {
		s.gone, s.Source = false, SourceAPI
	}
}

// made is a link with these fields that the ledger does not have yet.
func made(network, source string, f tracker.LinkFields) storedLink {
	return storedLink{
		CatalogLink: tracker.CatalogLink{Network: network, LinkFields: f, Source: source}, active: f.Enabled,
	}
}

var linkKind = kind{"link", []string{
	"code", "code_key", "affiliate_id", "campaign_id", "subdomain", "destination", "deep_link_hosts", "window_ms", "active",
	"gone", "source", "expires_at", "contact_name", "contact_email", "organisation", "training_status", "is_business",
	"program", "group_id",
}}

// values are those of linkKind's columns.
func (s *storedLink) values() []any {
	var expires int64
	if s.ExpiresAt != nil {
		expires = millis(*s.ExpiresAt)
	}
	return []any{
		s.Code, tracker.CodeKey(s.Code), s.AffiliateID, s.CampaignID, s.Subdomain, s.Destination, array(s.DeepLinkHosts),
		s.Window.Duration().Milliseconds(), s.active, s.gone, s.Source, expires, s.ContactName, s.ContactEmail, s.Organisation,
		string(s.TrainingStatus), s.IsBusiness, s.Program, s.GroupID,
	}
}

const selectLinks = `SELECT l.id, l.network, l.code, l.affiliate_id, a.name, a.status, l.campaign_id, c.name, c.archived,
	c.window_ms, c.landing_page, c.deep_link_hosts, l.subdomain, l.destination, l.deep_link_hosts, l.window_ms, l.active, l.gone,
	l.source, l.expires_at, l.contact_name, l.contact_email, l.organisation, l.training_status, l.is_business, l.created_at,
	l.updated_at, l.program, l.group_id, coalesce(p.parameters, ''), coalesce(p.hosts, '')
	FROM link l JOIN affiliate a ON a.id = l.affiliate_id JOIN campaign c ON c.id = l.campaign_id
	LEFT JOIN program_tokens p ON l.program <> '' AND p.network = l.network AND p.group_id = l.group_id AND p.holder = ''
		AND p.program = l.program`

func readLinks(ctx context.Context, q queryer, query string, args ...any) ([]storedLink, error) {
	return readAll(ctx, q, "links", scanLink, query, args...)
}

func scanLink(rows *sql.Rows) (storedLink, error) {
	var s storedLink
	var hosts, offered, parameters, covered string
	var window, offer, expires, created, updated int64
	err := rows.Scan(&s.ID, &s.Network, &s.Code, &s.AffiliateID, &s.Affiliate, &s.status, &s.CampaignID, &s.Campaign,
		&s.offer.Archived, &offer, &s.offer.LandingPage, &offered, &s.Subdomain, &s.Destination, &hosts, &window, &s.active, &s.gone,
		&s.Source, &expires, &s.ContactName, &s.ContactEmail, &s.Organisation, &s.TrainingStatus, &s.IsBusiness, &created, &updated,
		&s.Program, &s.GroupID, &parameters, &covered)
	if err != nil {
		return s, err
	}
	if s.DeepLinkHosts, err = parseHosts(hosts); err != nil {
		return s, fmt.Errorf("link %d: %w", s.ID, err)
	}
	if s.offer.DeepLinkHosts, err = parseHosts(offered); err != nil {
		return s, fmt.Errorf("campaign %d: %w", s.CampaignID, err)
	}
	if s.tokens, err = parseTokens(parameters, covered); err != nil {
		return s, fmt.Errorf("link %d: %w", s.ID, err)
	}
	s.Enabled = s.active && !s.gone
	s.Window, s.offer.Window = wholeSeconds(window), wholeSeconds(offer)
	s.CreatedAt, s.UpdatedAt = fromMillis(created), fromMillis(updated)
	s.ExpiresAt = timeOrNil(expires)
	return s, nil
}

// wholeSeconds rounds milliseconds up, so that a short window is not taken for none.
func wholeSeconds(ms int64) tracker.Seconds { return tracker.Seconds((ms + 999) / 1000) }

// parseHosts reads a list of deep-link hosts; most are empty.
func parseHosts(text string) ([]string, error) {
	hosts := []string{}
	if text == "[]" {
		return hosts, nil
	}
	if err := json.Unmarshal([]byte(text), &hosts); err != nil {
		return nil, fmt.Errorf("reading the deep-link hosts: %w", err)
	}
	return hosts, nil
}
