package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-affiliate/caddy-affiliate/engine"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/postgres"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Journal is the durable log on this node's disk, to which every click goes first.
type Journal struct {
	// The folder of the log and of the embedded ledger. It belongs to one process at a time. Default: the folder
	// `affiliate` in Caddy's data directory. A changed path needs a restart of Caddy.
	Path string `json:"path,omitempty"`

	// The bytes that the log may take on disk. At the cap no more tokens are handed out; nothing is deleted. Default: 1 GiB.
	MaxSize int64 `json:"max_size,omitempty"`

	// The bytes of one segment file. Default: 64 MiB.
	SegmentSize int64 `json:"segment_size,omitempty"`

	// How long the log keeps what the ledger has applied, which is how far a ledger may fall back (a failover, a backup
	// restored) without losing anything. At least 1s. It is the hubs' setting: the shortest of several wins, and with ledger
	// `none` it has no effect. Default: 24h.
	Retain caddy.Duration `json:"retain,omitempty"`

	// The longest that an answer waits for its record to be on disk, from the request's arrival; without that there is no token.
	// A slow disk may need more. From 1ms to 10s. Default: 25ms.
	MaxWait caddy.Duration `json:"max_wait,omitempty"`
}

// Ledger is the system of record in SQL.
type Ledger struct {
	// `sqlite` (embedded), `postgres`, or `none` for an edge whose hubs keep the ledger. Default: `sqlite`.
	Kind string `json:"kind,omitempty"`

	// The SQLite file. Default: `ledger.db` in the journal's folder.
	Path string `json:"path,omitempty"`

	// PostgreSQL's connection string, a URL or `key=value` pairs. Placeholders keep its password out of the configuration.
	DSN string `json:"dsn,omitempty"`
}

// Link is a link that the configuration declares. It is disabled when it leaves the configuration, and wins over a link of
// the same code that was added through the API.
type Link struct {
	// The code, 1 to 64 of `A-Z a-z 0-9 _ -`, compared without case and never reused.
	Code string `json:"code"`

	// The affiliate's name. Default: the code.
	Affiliate string `json:"affiliate,omitempty"`

	// Where the link's redirect goes: an http or https URL, or a path. Default: `/`.
	Destination string `json:"destination,omitempty"`

	// A host label that is a link by itself: `LABEL.shop.com`.
	Subdomain string `json:"subdomain,omitempty"`

	// The hosts that a deep-link parameter may name. Default: none.
	DeepLinkHosts []string `json:"deep_link_hosts,omitempty"`

	// How long a click earns. Default: the app's window.
	Window caddy.Duration `json:"window,omitempty"`
}

// engineConfig turns the app's settings into the engine's, with placeholders expanded and everything checked that can be
// checked without I/O.
func (a *App) engineConfig(repl *caddy.Replacer, log *slog.Logger) (engine.Config, error) {
	c := engine.Config{Logger: log}
	if err := checkWindow(a.Window); err != nil {
		return c, err
	}
	var err error
	if c.Terms, err = a.terms(); err != nil {
		return c, err
	}
	if c.Retention, err = a.Retention.limits(); err != nil {
		return c, err
	}
	if err := a.Journal.fill(&c, repl); err != nil {
		return c, err
	}
	if c.Ledger, err = a.Ledger.options(repl, log); err != nil {
		return c, err
	}
	if a.Redis != nil {
		if c.Redis, err = a.Redis.options(repl, log); err != nil {
			return c, err
		}
	}
	c.Links, err = a.newLinks()
	a.warnOfNoEffect(c, log)
	return c, err
}

// warnOfNoEffect says which settings a node without a ledger does not put into effect, or not everywhere.
func (a *App) warnOfNoEffect(c engine.Config, log *slog.Logger) {
	if c.Ledger.Kind != engine.LedgerNone {
		return
	}
	if c.Retain != 0 {
		log.Warn("retain has no effect with ledger none: the hubs say how long a journal keeps what is applied")
	}
	if a.Attribution != "" || a.Organic != "" || a.Retention != nil {
		log.Warn("attribution, organic and retention have no effect with ledger none: the hubs keep the books")
	}
	if len(a.Links) > 0 {
		log.Warn("with ledger none the links of this configuration, and so their affiliates' names, destinations and windows, "+
			"are known to this node only; declare them on a hub", "links", len(a.Links))
	}
}

func (j *Journal) fill(c *engine.Config, repl *caddy.Replacer) error {
	if j == nil {
		j = new(Journal)
	}
	if err := errors.Join(j.checkSizes(), j.checkMaxWait()); err != nil {
		return err
	}
	path, err := repl.ReplaceOrErr(j.Path, true, true)
	if err != nil {
		return fmt.Errorf("expanding the journal's path: %w", err)
	}
	path = cmp.Or(path, filepath.Join(caddy.AppDataDir(), "affiliate"))
	// Absolute, so that ./data and data are the same folder to a reload.
	if c.Dir, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("finding the journal's folder: %w", err)
	}
	c.MaxBytes, c.SegmentBytes, c.Retain = j.MaxSize, j.SegmentSize, time.Duration(j.Retain)
	return nil
}

func (j *Journal) checkSizes() error {
	switch {
	case j.MaxSize < 0 || j.SegmentSize < 0:
		return errors.New("a journal's sizes are positive")
	case j.MaxSize > 0 && j.MaxSize < engine.MinMaxBytes:
		return fmt.Errorf("max_size is at least %d bytes, or no click finds a place", engine.MinMaxBytes)
	case j.MaxSize > 0 && j.SegmentSize > j.MaxSize:
		return errors.New("a journal's segment_size is at most its max_size")
	}
	return nil
}

func (j *Journal) checkMaxWait() error {
	if wait := time.Duration(j.MaxWait); wait != 0 && (wait < time.Millisecond || wait > 10*time.Second) {
		return errors.New("a journal's max_wait is from 1ms to 10s")
	}
	return nil
}

// patience is the longest that an answer may wait for what is ours, from the request's arrival: for the links while Caddy starts,
// and for the journal.
func (a *App) patience() time.Duration {
	if a.Journal != nil && a.Journal.MaxWait != 0 {
		return time.Duration(a.Journal.MaxWait)
	}
	return patience
}

func (l *Ledger) options(repl *caddy.Replacer, log *slog.Logger) (engine.Ledger, error) {
	if l == nil {
		l = new(Ledger)
	}
	kind := cmp.Or(l.Kind, engine.LedgerSQLite)
	if kind != engine.LedgerSQLite && l.Path != "" {
		return engine.Ledger{}, fmt.Errorf("ledger %s has no path", kind)
	}
	if kind != engine.LedgerPostgres && l.DSN != "" {
		return engine.Ledger{}, fmt.Errorf("ledger %s has no dsn", kind)
	}
	path, err := repl.ReplaceOrErr(l.Path, true, true)
	if err != nil {
		return engine.Ledger{}, fmt.Errorf("expanding the ledger's path: %w", err)
	}
	if !hasPlaceholder(l.DSN) && (urlPassword(l.DSN) || strings.Contains(l.DSN, "password=")) {
		warnLiteral(log, "ledger postgres")
	}
	dsn, err := expand(repl, "the ledger's dsn", l.DSN)
	if err == nil && kind == engine.LedgerPostgres {
		err = postgres.CheckDSN(dsn)
	}
	return engine.Ledger{Kind: kind, Path: path, DSN: dsn}, err
}

func (a *App) newLinks() ([]ledger.NewLink, error) {
	links := make([]ledger.NewLink, 0, len(a.Links))
	for i, l := range a.Links {
		link := l.newLink(a.Network)
		if err := checkLink(link); err != nil {
			return nil, fmt.Errorf("link %q: %w", l.Code, err)
		}
		if err := clash(a.Links[:i], l); err != nil {
			return nil, err
		}
		links = append(links, link)
	}
	return links, nil
}

// clash says with which of the others, that were declared before it, a link cannot stand.
func clash(others []Link, l Link) error {
	for _, other := range others {
		switch {
		case tracker.CodeKey(other.Code) == tracker.CodeKey(l.Code):
			return fmt.Errorf("link %q is declared twice (codes are compared without case)", l.Code)
		case l.Subdomain != "" && strings.EqualFold(other.Subdomain, l.Subdomain):
			return fmt.Errorf("link %q: another link has the subdomain %q", l.Code, l.Subdomain)
		}
	}
	return nil
}

func (l Link) newLink(network string) ledger.NewLink {
	return ledger.NewLink{
		Network: network, Code: l.Code, Affiliate: l.Affiliate, Subdomain: strings.ToLower(l.Subdomain),
		Destination: l.Destination, DeepLinkHosts: l.DeepLinkHosts, Window: time.Duration(l.Window), Source: "config",
	}
}

// checkLink says what is wrong with a link that somebody wants to have.
func checkLink(l ledger.NewLink) error {
	if err := tracker.CheckCode(l.Code); err != nil {
		return err
	}
	if l.Destination != "" {
		if err := tracker.CheckDestination(l.Destination); err != nil {
			return err
		}
	}
	if l.Subdomain != "" && !isLabel(l.Subdomain) {
		return fmt.Errorf("subdomain %q is not one host label", l.Subdomain)
	}
	for _, host := range l.DeepLinkHosts {
		if !isHost(host) {
			return fmt.Errorf("deep_link_hosts: %q is not a host name", host)
		}
	}
	return checkWindow(caddy.Duration(l.Window))
}

// isLabel reports whether s is one label of a host name (RFC 1123).
func isLabel(s string) bool {
	return len(s) <= 63 && isHost(s) && !strings.Contains(s, ".") && s[0] != '-' && s[len(s)-1] != '-'
}

func checkWindow(d caddy.Duration) error {
	if d < 0 || time.Duration(d) > tracker.MaxWindow {
		return fmt.Errorf("a window is at most %d days, as long as browsers keep a cookie", tracker.MaxWindow/(24*time.Hour))
	}
	return nil
}
