package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// linksEvery is how often a node asks whether the links changed: a new link is live everywhere within five seconds.
const linksEvery = 2 * time.Second

// startLinks is the table of a node that has asked nobody yet: its snapshot, and the configuration's links that the snapshot
// does not know. What of a snapshot cannot be read is counted, logged and passed over: the ledger has the links.
func startLinks(c Config) *tracker.LinkTable {
	s, damaged, err := readSnapshot(c.Dir)
	snapshotDamaged.Add(float64(damaged))
	if damaged > 0 || err != nil {
		c.Logger.Error("the snapshot of the links is damaged; the node goes on with those that it can read until the ledger has all",
			"damaged", damaged, "links", len(s.Links), "error", err)
	}
	return withConfig(c, s.Version, s.Links)
}

// withConfig adds the configuration's links that the table lacks, so that they work before any ledger has heard of them.
func withConfig(c Config, version int64, links []tracker.Link) *tracker.LinkTable {
	known := tracker.NewLinkTable(version, links)
	all := known.All()
	for _, l := range c.Links {
		if known.Lookup(l.Network, l.Code) == nil {
			all = append(all, configLink(l))
		}
	}
	return tracker.NewLinkTable(version, all)
}

func configLink(l ledger.NewLink) tracker.Link {
	return tracker.Link{
		Network: l.Network, Code: l.Code, Affiliate: l.Affiliate, Subdomain: l.Subdomain, Destination: l.Destination,
		DeepLinkHosts: l.DeepLinkHosts, Window: l.Window, Active: true,
	}
}

// linkSource is where the links are asked for.
type linkSource interface {
	version(ctx context.Context) (int64, error)
	table(ctx context.Context) (*tracker.LinkTable, error)
}

// linksTime bounds every question about links; a server may have vanished without a word.
const linksTime = 5 * time.Second

// every calls do now and then at each interval until ctx ends, each time with a bounded context.
func every(ctx context.Context, interval time.Duration, do func(ctx context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		bounded, cancel := context.WithTimeout(ctx, linksTime)
		do(bounded)
		cancel()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// refreshLinks keeps the table as the source has it until ctx ends. While the source is away the old table stays.
func (w *workers) refreshLinks(ctx context.Context, source linkSource) {
	current, failing := int64(-1), false
	every(ctx, linksEvery, func(ctx context.Context) {
		version, err := source.version(ctx)
		if err == nil && version != current {
			if err = w.loadLinks(ctx, source); err == nil {
				current = version
			}
		}
		if err != nil && !failing && !errors.Is(err, context.Canceled) {
			w.config.Logger.Error("the links could not be read; the node goes on with those it knows", "error", err)
		}
		failing = err != nil
	})
}

// alone lets one at a time write the link table and its snapshot, so that no older table replaces a newer one.
func (w *workers) alone(ctx context.Context) (release func(), err error) {
	select {
	case w.loading <- struct{}{}:
		return func() { <-w.loading }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for another change of the links: %w", ctx.Err())
	}
}

// loadLinks takes the source's table over.
func (w *workers) loadLinks(ctx context.Context, source linkSource) error {
	release, err := w.alone(ctx)
	if err != nil {
		return err
	}
	defer release()
	table, err := source.table(ctx)
	if err != nil {
		return err
	}
	links := table.All()
	w.engine.setLinks(withConfig(w.config, table.Version(), links))
	w.changeSnapshot(func(s *snapshot) { s.Version, s.Links = table.Version(), links })
	return nil
}

// changeSnapshot rewrites the snapshot. A disk that refuses it is logged: the ledger has what is in it. Of damage the start has
// told.
func (w *workers) changeSnapshot(change func(s *snapshot)) {
	if j := w.engine.journal.Load(); j != nil && j.Gone() != nil {
		return // the folder at that path is somebody else's
	}
	s, _, _ := readSnapshot(w.config.Dir)
	change(&s)
	if err := writeSnapshot(w.config.Dir, s); err != nil {
		w.config.Logger.Error("the snapshot of the links could not be written", "error", err)
	}
}

// RefreshLinks reads the links from the ledger at once, so that a change made here is live here when it is answered.
func (e *Engine) RefreshLinks(ctx context.Context) error {
	l, err := e.Ledger()
	if err != nil {
		return err
	}
	w := e.running.Load()
	if w == nil {
		return ErrStarting
	}
	ctx, cancel := context.WithTimeout(ctx, linksTime)
	defer cancel()
	return w.loadLinks(ctx, ledgerLinks{l})
}

// syncLinks writes the configuration's links to the ledger and disables those that this node named before and names no more.
// A node that never named a link leaves it alone, so nodes with different configurations do not undo each other's links.
func (w *workers) syncLinks(ctx context.Context, l *ledger.Ledger) error {
	ctx, cancel := context.WithTimeout(ctx, linksTime)
	defer cancel()
	release, err := w.alone(ctx)
	if err != nil {
		return err
	}
	defer release()
	named := make([]ledger.LinkID, len(w.config.Links))
	now := map[ledger.LinkID]bool{}
	for i, link := range w.config.Links {
		named[i] = ledger.LinkID{Network: link.Network, Code: tracker.CodeKey(link.Code)}
		now[named[i]] = true
	}
	before, _, _ := readSnapshot(w.config.Dir) // a damaged one names less, and is replaced below
	var gone []ledger.LinkID
	for _, id := range before.Config {
		if !now[id] {
			gone = append(gone, id)
		}
	}
	warnings, err := l.SyncConfigLinks(ctx, w.config.Links, gone)
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		w.config.Logger.Warn(warning)
	}
	w.changeSnapshot(func(s *snapshot) { s.Config = named })
	return nil
}

// ledgerLinks reads the links where the books are.
type ledgerLinks struct{ ledger *ledger.Ledger }

func (s ledgerLinks) version(ctx context.Context) (int64, error) { return s.ledger.LinkVersion(ctx) }

func (s ledgerLinks) table(ctx context.Context) (*tracker.LinkTable, error) {
	return s.ledger.LinkTable(ctx)
}

// publishLinks keeps the relay's copy of the links, for edges without a ledger, until ctx ends. A relay that lost it is told
// again. One that has another ledger's, after ours was there, is shared by mistake: that is said, and not fought over.
func (w *workers) publishLinks(ctx context.Context, l *ledger.Ledger) {
	published, failing := false, false
	every(ctx, linksEvery, func(ctx context.Context) {
		version, err := l.LinkVersion(ctx)
		if err != nil {
			return // refreshLinks says so
		}
		id, there, err := w.relay.LinksVersion(ctx)
		rival := err == nil && id != "" && id != l.ID() && published
		if was := w.rival.Swap(rival); rival && !was {
			w.config.Logger.Error("another ledger feeds on this redis; nodes that share a redis share one ledger, or keep none")
		}
		if err == nil && !rival && (id != l.ID() || there != version) {
			err = w.publish(ctx, l)
			published = published || err == nil
		}
		if err != nil && !failing && !errors.Is(err, context.Canceled) {
			w.config.Logger.Error("the links could not be published; edges without a ledger go on with those they know", "error", err)
		}
		failing = err != nil
	})
}

func (w *workers) publish(ctx context.Context, l *ledger.Ledger) error {
	table, err := l.LinkTable(ctx)
	if err != nil {
		return err
	}
	data, err := json.Marshal(table.All())
	if err != nil {
		return err
	}
	return w.relay.PublishLinks(ctx, l.ID(), table.Version(), data)
}

// relayLinks reads what the hubs published.
type relayLinks struct{ relay *relay.Relay }

func (s relayLinks) version(ctx context.Context) (int64, error) {
	_, version, err := s.relay.LinksVersion(ctx)
	return version, err
}

func (s relayLinks) table(ctx context.Context) (*tracker.LinkTable, error) {
	version, data, err := s.relay.Links(ctx)
	if err != nil {
		return nil, err
	}
	var links []tracker.Link
	if len(data) == 0 {
		return nil, errors.New("no hub has published links yet")
	}
	if err := json.Unmarshal(data, &links); err != nil {
		return nil, fmt.Errorf("reading the published links: %w", err)
	}
	return tracker.NewLinkTable(version, links), nil
}
