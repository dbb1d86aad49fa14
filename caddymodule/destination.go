package caddymodule

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-affiliate/caddy-affiliate/engine"
	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// destinationNamespace is that of the guest modules which destinations are.
const destinationNamespace = "affiliate.destinations"

// DestinationModule is a guest module in the namespace `affiliate.destinations`: a system that is told of what happens in the
// books.
type DestinationModule interface {
	caddy.Module
	// Common returns the settings that every destination has.
	Common() *Forwarding
	// Destination returns what sends. It is called once, when the configuration is provisioned, and opens nothing.
	Destination(ctx caddy.Context) (forward.Destination, error)
}

// Forwarding is the settings that every destination has.
type Forwarding struct {
	// The destination's name: in the log of deliveries, in metrics, and for the commands. Default: the module's.
	Name string `json:"name,omitempty"`

	// The network of which it is told. Default: the app's.
	Network string `json:"network,omitempty"`

	// The kinds of event that it is told of. Default: all that it can take.
	Kinds []tracker.EventKind `json:"kinds,omitempty"`

	// The classes of session that it is told of. Default: `human`.
	Classes []tracker.Class `json:"classes,omitempty"`

	// The statuses of conversion, after the change, that it is told of. Default: all.
	Statuses []tracker.ConversionStatus `json:"statuses,omitempty"`

	// The campaigns of conversions and customers that it is told of, by name. Default: all.
	Campaigns []string `json:"campaigns,omitempty"`

	// How many attempts are under way at once. Default: 8.
	Concurrency int `json:"concurrency,omitempty"`

	// How many attempts are begun per second. Default: no limit.
	Rate float64 `json:"rate,omitempty"`

	// Whether the events of one conversion, or of one customer, are sent one after the other: each waits until the one before it
	// was sent, or given up.
	Ordered bool `json:"ordered,omitempty"`

	// Networks and addresses, beside the public ones, that it may connect to, such as `10.1.0.0/16`: for hosts of your own.
	// Default: none.
	Allow []string `json:"allow,omitempty"`

	bySession bool // with Ordered: a conversion comes after its session
}

// Common implements DestinationModule for those who embed f.
func (f *Forwarding) Common() *Forwarding { return f }

// options are the parsers of the settings in a Caddyfile, with those of the destination's own.
func (f *Forwarding) options(own parsers) parsers {
	all := parsers{
		"network":     network(&f.Network),
		"kinds":       wordList(&f.Kinds, tracker.EventKinds...),
		"classes":     wordList(&f.Classes, tracker.Classes...),
		"statuses":    wordList(&f.Statuses, tracker.StatusPending, tracker.StatusApproved, tracker.StatusRejected, tracker.StatusDuplicated),
		"campaigns":   texts(&f.Campaigns),
		"concurrency": both(number(&f.Concurrency), f.checkConcurrency),
		"rate":        perSecond(&f.Rate),
		"ordered":     flag(&f.Ordered),
		"allow":       both(texts(&f.Allow), f.checkAllow),
	}
	for name, parse := range own {
		all[name] = parse
	}
	return all
}

// parse reads a destination's block: its kind, its name, and its settings. Own are those that only this kind has; those of them
// that may be repeated are named.
func (f *Forwarding) parse(d *caddyfile.Dispenser, own parsers, repeatable ...string) error {
	d.Next() // the kind
	if d.NextArg() {
		f.Name = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	_, err := parseBlock(d, f.options(own), repeatable...)
	return err
}

func (f *Forwarding) checkConcurrency(d *caddyfile.Dispenser) error {
	if f.Concurrency < 1 || f.Concurrency > maxConcurrency {
		return d.WrapErr(errConcurrency)
	}
	return nil
}

func (f *Forwarding) checkAllow(d *caddyfile.Dispenser) error {
	if _, err := f.allowed(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// maxConcurrency is the most attempts that a destination may have under way.
const maxConcurrency = 1000

var (
	errConcurrency = fmt.Errorf("concurrency is not from 1 to %d", maxConcurrency)
	errForwardName = errors.New("a destination's name is made of at most 64 letters, digits, dots, underscores and dashes")
	errNoBooks     = errors.New("forward and ledger none do not go together: forward on the hubs, which keep the books")
)

// allowed are the networks of Allow.
func (f *Forwarding) allowed() ([]netip.Prefix, error) {
	networks, err := addressRanges(f.Allow)
	if err != nil {
		return nil, fmt.Errorf("allow: %w", err)
	}
	return networks, nil
}

func checkForwardName(name string) error {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" || len(name) > 64 {
		return errForwardName
	}
	return nil
}

// route is the destination as the books have to know it.
func (f *Forwarding) route(takes []tracker.EventKind, appNetwork string) (tracker.Route, error) {
	r := tracker.Route{
		Destination: f.Name, Network: cmp.Or(f.Network, appNetwork), Kinds: f.Kinds, Classes: f.Classes,
		Statuses: f.Statuses, Campaigns: f.Campaigns, Ordered: f.Ordered, BySession: f.bySession,
	}
	if len(r.Kinds) == 0 {
		r.Kinds = takes
	}
	for _, k := range r.Kinds {
		if !slices.Contains(takes, k) {
			return r, fmt.Errorf("kinds: it takes no %s, only %s", k, listed(takes))
		}
	}
	if err := tracker.CheckNetwork(r.Network); err != nil {
		return r, err
	}
	return r, checkForwardName(r.Destination)
}

// outlet builds what the engine runs.
func (f *Forwarding) outlet(to forward.Destination, appNetwork string, fingerprint string) (forward.Outlet, error) {
	route, err := f.route(to.Kinds(), appNetwork)
	if err != nil {
		return forward.Outlet{}, err
	}
	_, route.Remembers = to.(forward.Remembering)
	route.Fingerprint = fingerprint
	o := forward.Outlet{Route: route, To: to, Concurrency: f.Concurrency, Rate: f.Rate}
	if f.Concurrency < 0 || f.Concurrency > maxConcurrency {
		return o, errConcurrency
	}
	if f.Rate < 0 {
		return o, fmt.Errorf("rate is below zero")
	}
	o.Allow, err = f.allowed()
	return o, err
}

// parseForward reads one destination:
//
//	forward <kind> [<name>] {
//	    <settings>
//	}
func (a *App) parseForward(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	kind := d.Val()
	if err := a.checkForward(d); err != nil {
		return err
	}
	if _, err := caddy.GetModule(destinationNamespace + "." + kind); err != nil {
		return d.Errf("there is no forward %s; the kinds are %s", kind, strings.Join(destinationKinds(), ", "))
	}
	module, err := caddyfile.UnmarshalModule(d, destinationNamespace+"."+kind)
	if err != nil {
		return err
	}
	a.DestinationsRaw = append(a.DestinationsRaw, caddyconfig.JSONModuleObject(module, "kind", kind, nil))
	return nil
}

// destinationKinds are the names of the destinations that this Caddy was built with.
func destinationKinds() (kinds []string) {
	for _, module := range caddy.GetModules(destinationNamespace) {
		kinds = append(kinds, module.ID.Name())
	}
	return kinds
}

// checkForward checks what comes before the block, so that an error names its line. It consumes nothing.
func (a *App) checkForward(d *caddyfile.Dispenser) error {
	if a.Ledger != nil && a.Ledger.Kind == engine.LedgerNone {
		return d.WrapErr(errNoBooks)
	}
	name := d.Val()
	if d.NextArg() {
		name = d.Val()
		defer d.Prev()
	}
	if err := checkForwardName(name); err != nil {
		return d.WrapErr(err)
	}
	for _, raw := range a.DestinationsRaw {
		var other struct{ Kind, Name string }
		if err := json.Unmarshal(raw, &other); err == nil && cmp.Or(other.Name, other.Kind) == name {
			return d.WrapErr(errSameName(name))
		}
	}
	return nil
}

func errSameName(name string) error {
	return fmt.Errorf("two destinations are called %s; give each a name: forward <kind> <name>", name)
}

// provisionDestinations loads the guest modules and adds their outlets to the engine's configuration.
func (a *App) provisionDestinations(ctx caddy.Context, c *engine.Config) error {
	if len(a.DestinationsRaw) == 0 {
		return nil
	}
	raw := slices.Clone(a.DestinationsRaw) // loading empties the field
	modules, err := ctx.LoadModule(a, "DestinationsRaw")
	if err != nil {
		return fmt.Errorf("loading destinations: %w", err)
	}
	names := map[string]bool{}
	for i, loaded := range modules.([]any) {
		o, err := a.outlet(ctx, loaded, raw[i])
		if err != nil {
			return err
		}
		if names[o.Destination] {
			return errSameName(o.Destination)
		}
		names[o.Destination] = true
		c.Outlets = append(c.Outlets, o)
	}
	return nil
}

func (a *App) outlet(ctx caddy.Context, loaded any, raw json.RawMessage) (forward.Outlet, error) {
	module, ok := loaded.(DestinationModule)
	if !ok {
		return forward.Outlet{}, fmt.Errorf("the module %T is no destination", loaded)
	}
	kind := module.CaddyModule().ID.Name()
	common := module.Common()
	common.Name = cmp.Or(common.Name, kind)
	settings := fingerprint(raw) // before they are read: what changes between the two is another one the next time
	to, err := module.Destination(ctx)
	if err != nil {
		return forward.Outlet{}, fmt.Errorf("destination %s: %w", common.Name, err)
	}
	o, err := common.outlet(to, a.Network, settings)
	if err != nil {
		return o, fmt.Errorf("destination %s: %w", common.Name, err)
	}
	return o, nil
}

// destinations returns the names of a network's destinations.
func (a *App) destinations(network string) []string {
	var names []string
	for _, o := range a.config.Outlets {
		if o.Network == network {
			names = append(names, o.Destination)
		}
	}
	return names
}

// leftAlone reports whether this node leaves a destination's endpoint alone for a moment, since it fails.
func (a *App) leftAlone(network, name string) bool {
	return slices.ContainsFunc(a.config.Outlets, func(o forward.Outlet) bool {
		return o.Network == network && o.Destination == name && forward.LeftAlone(o.To.Host())
	})
}

// testDestination sends a test event, whatever stands in the queue.
func (a *App) testDestination(ctx context.Context, network, name string) (tracker.Attempt, error) {
	for _, o := range a.config.Outlets {
		if o.Network == network && o.Destination == name {
			return forward.SendTest(ctx, o, time.Now()), nil
		}
	}
	return tracker.Attempt{}, tracker.ErrNotFound
}
