package caddymodule

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/engine"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	// maxLinkBody is the size in bytes of the body that adds a link.
	maxLinkBody = 64 << 10

	// changeTime bounds a change of a link. It is not given up when the client is: a change that half happened helps nobody.
	changeTime = 10 * time.Second
)

// linkJSON is a link as the admin API shows it.
type linkJSON struct {
	ID            int64    `json:"id"` // 0 until the ledger has numbered it
	Network       string   `json:"network"`
	Code          string   `json:"code"`
	Affiliate     string   `json:"affiliate"`
	Destination   string   `json:"destination"`
	Subdomain     string   `json:"subdomain"`
	DeepLinkHosts []string `json:"deep_link_hosts"`
	Window        string   `json:"window"`     // empty: the app's
	Enabled       bool     `json:"enabled"`    // not disabled; on a node without a ledger as active
	Active        bool     `json:"active"`     // enabled, its affiliate approved, its campaign not archived
	ExpiresAt     string   `json:"expires_at"` // RFC 3339 with milliseconds, UTC; empty: never
	Live          bool     `json:"live"`       // active and not expired: its clicks earn
	Source        string   `json:"source"`     // "config", "api" or "session"; empty on a node without a ledger
}

// state is the link's in one word.
func (l *linkJSON) state() string {
	switch {
	case !l.Enabled:
		return "disabled"
	case !l.Active:
		return "inactive"
	case !l.Live:
		return "expired"
	}
	return "active"
}

func showLink(l ledger.Link) linkJSON {
	shown := linkJSON{
		ID: l.ID, Network: l.Network, Code: l.Code, Affiliate: l.Affiliate, Destination: l.Destination, Subdomain: l.Subdomain,
		DeepLinkHosts: append([]string{}, l.DeepLinkHosts...), Enabled: l.Enabled, Active: l.Active, Live: l.Live(time.Now()),
		Source: l.Source,
	}
	if !l.ExpiresAt.IsZero() {
		shown.ExpiresAt = timeText(l.ExpiresAt)
	}
	if l.Window > 0 {
		shown.Window = windowText(l.Window)
	}
	return shown
}

// windowText writes whole days as the Caddyfile does.
func windowText(d time.Duration) string {
	if day := 24 * time.Hour; d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}

// serveLinks lists the ledger's links; a node without a ledger shows those that it works with.
func serveLinks(live *liveEngine, w http.ResponseWriter, r *http.Request) error {
	query, err := queryOf(r)
	if err != nil {
		return err
	}
	network := query.Get("network")
	books, err := live.Ledger()
	if errors.Is(err, engine.ErrNoLedger) {
		return writeJSON(w, http.StatusOK, tableLinks(live.Links(), network))
	}
	if err != nil {
		return err
	}
	links, err := books.Links(r.Context(), network)
	if err != nil {
		return err
	}
	shown := make([]linkJSON, len(links))
	for i, l := range links {
		shown[i] = showLink(l)
	}
	return writeJSON(w, http.StatusOK, shown)
}

func tableLinks(table *tracker.LinkTable, network string) []linkJSON {
	shown := []linkJSON{}
	for _, l := range table.All() {
		if network == "" || l.Network == network {
			shown = append(shown, showLink(ledger.Link{Link: l, Enabled: l.Active}))
		}
	}
	slices.SortFunc(shown, func(a, b linkJSON) int {
		return strings.Compare(a.Network+"\x00"+a.Code, b.Network+"\x00"+b.Code)
	})
	return shown
}

// newLinkJSON is a link as the admin API takes it: what a configuration says of one, and what none does.
type newLinkJSON struct {
	Link
	Campaign       string                 `json:"campaign,omitempty"` // default: "default"
	ExpiresAt      time.Time              `json:"expires_at,omitzero"`
	ContactName    string                 `json:"contact_name,omitempty"`
	ContactEmail   string                 `json:"contact_email,omitempty"`
	Organisation   string                 `json:"organisation,omitempty"`
	TrainingStatus tracker.TrainingStatus `json:"training_status,omitempty"`
	IsBusiness     bool                   `json:"is_business,omitempty"`
	Program        string                 `json:"program,omitempty"`
	GroupID        int64                  `json:"group_id,omitempty"`
}

// newLink checks l. Affiliate and campaign go by their names, and are made where they are missing.
func (l newLinkJSON) newLink(network string) (ledger.NewLink, error) {
	link := l.Link.newLink(network)
	if err := checkLink(link); err != nil {
		return link, err
	}
	affiliate := tracker.AffiliateFields{Name: cmp.Or(l.Affiliate, l.Code)}
	if err := affiliate.Check(); err != nil {
		return link, fmt.Errorf("affiliate: %w", err)
	}
	campaign := tracker.CampaignFields{Name: cmp.Or(l.Campaign, ledger.DefaultCampaign)}
	if err := campaign.Check(); err != nil {
		return link, fmt.Errorf("campaign: %w", err)
	}
	f := tracker.LinkFields{
		Code: l.Code, AffiliateID: 1, ExpiresAt: &l.ExpiresAt, ContactName: l.ContactName, ContactEmail: l.ContactEmail,
		Organisation: l.Organisation, TrainingStatus: l.TrainingStatus, Program: l.Program, GroupID: l.GroupID,
	}
	if err := f.Check(); err != nil {
		return link, err
	}
	link.Source, link.Affiliate, link.Campaign, link.IsBusiness = ledger.SourceAPI, affiliate.Name, campaign.Name, l.IsBusiness
	link.ContactName, link.ContactEmail, link.Organisation = f.ContactName, f.ContactEmail, f.Organisation
	link.TrainingStatus, link.ExpiresAt = f.TrainingStatus, l.ExpiresAt
	link.Program, link.GroupID = f.Program, f.GroupID
	return link, nil
}

func addLink(live *liveEngine, w http.ResponseWriter, r *http.Request) error {
	network, err := networkOf(live, r)
	if err != nil {
		return err
	}
	var asked newLinkJSON
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLinkBody))
	body.DisallowUnknownFields()
	if err := body.Decode(&asked); err != nil {
		return badRequest("reading the link: %w", err)
	}
	link, err := asked.newLink(network)
	if err != nil {
		return badRequest("%w", err)
	}
	return changeLinks(live, w, r, http.StatusCreated, func(ctx context.Context, books *ledger.Ledger) (ledger.Link, error) {
		added, err := books.AddLink(ctx, link)
		if errors.Is(err, ledger.ErrExists) {
			return added, fmt.Errorf("link %q in network %q: its code or subdomain %w", link.Code, link.Network, ledger.ErrExists)
		}
		return added, err
	})
}

func setLinkActive(active bool) func(*liveEngine, http.ResponseWriter, *http.Request) error {
	return func(live *liveEngine, w http.ResponseWriter, r *http.Request) error {
		network, err := networkOf(live, r)
		if err != nil {
			return err
		}
		code := r.PathValue("code")
		if err := tracker.CheckCode(code); err != nil {
			return badRequest("%w", err)
		}
		return changeLinks(live, w, r, http.StatusOK, func(ctx context.Context, books *ledger.Ledger) (ledger.Link, error) {
			link, err := books.SetLinkActive(ctx, network, code, active)
			if errors.Is(err, ledger.ErrNotFound) {
				return link, fmt.Errorf("link %q in network %q: %w", code, network, ledger.ErrNotFound)
			}
			return link, err
		})
	}
}

// changeLinks makes one change in the ledger, takes it into this node's table, and answers with the link.
func changeLinks(
	live *liveEngine, w http.ResponseWriter, r *http.Request, status int,
	change func(context.Context, *ledger.Ledger) (ledger.Link, error),
) error {
	books, err := live.Ledger()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), changeTime)
	defer cancel()
	link, err := change(ctx, books)
	if err != nil {
		return err
	}
	if err := live.RefreshLinks(ctx); err != nil {
		return fmt.Errorf("the link is changed in the ledger, but not live on this node yet: %w", err)
	}
	return writeJSON(w, status, showLink(link))
}
