package caddymodule

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/certmagic"

	"github.com/caddy-affiliate/caddy-affiliate/api"
	"github.com/caddy-affiliate/caddy-affiliate/engine"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func init() {
	caddy.RegisterModule(&App{})
}

// App keeps what the `affiliate` directives of all sites share: the secret of the tokens, the journal, the relay, the ledger
// and the links. Without any configuration it keeps its journal and an SQLite ledger in Caddy's data directory.
//
// The journal is opened when the first configuration starts and stays open through reloads. Settings take effect once a
// new configuration has wholly started; a changed journal path is refused, since it needs a restart.
type App struct {
	// The network (tenant) of directives that name none, and of the links below. Default: `default`.
	Network string `json:"network,omitempty"`

	// The secrets that seal the visitors' tokens, each at least 32 characters: the first seals, all of them open, so a
	// new one is put first and the old one stays until its tokens have expired. Write placeholders, `{env.NAME}` or
	// `{file./path}`: a secret that is written out shows in the admin API's config dump.
	//
	// Default: one secret, made once and kept in Caddy's storage. With `redis` or a PostgreSQL ledger, and Caddy's storage
	// on the local disk, a secret must be configured, since each node would make its own.
	Secrets []string `json:"secrets,omitempty"`

	// The durable log on this node's disk.
	Journal *Journal `json:"journal,omitempty"`

	// The relay between several nodes. Default: none; the ledger is fed from the journal directly.
	Redis *Redis `json:"redis,omitempty"`

	// The system of record. Default: SQLite beside the journal.
	Ledger *Ledger `json:"ledger,omitempty"`

	// How long a click earns where its link does not say, and how long the visitor's cookie lasts. At most 400d.
	// Default: 30d.
	Window caddy.Duration `json:"window,omitempty"`

	// Which of a visitor's clicks earns a conversion: `last_click` or `first_click`. Default: `last_click`.
	Attribution string `json:"attribution,omitempty"`

	// What becomes of a customer whom no session brought: with `assign` they are kept, in the campaign `organic` and with no
	// affiliate; with `reject` they are refused. Default: `assign`.
	Organic string `json:"organic,omitempty"`

	// How long the ledger keeps what tells of a visitor. Default: as long as the rest.
	Retention *Retention `json:"retention,omitempty"`

	// The systems that are told of what happens in the books. They need a ledger on this node.
	DestinationsRaw []json.RawMessage `json:"destinations,omitempty" caddy:"namespace=affiliate.destinations inline_key=kind"`

	// Links that this configuration declares.
	Links []Link `json:"links,omitempty"`

	engine *engine.Engine // what handlers use; it outlives the app
	live   *liveEngine    // nil unless a reference is held
	config engine.Config
	opened bool // this configuration opened the engine
	log    *slog.Logger
	api    func() *api.API // made when it is first asked for

	privacy   privacyModes // of the directives
	forgeable sync.Map     // the names of the servers of which warnOfForgery has warned

	storage    certmagic.Storage
	seal       atomic.Pointer[tracker.Sealer]
	makeSecret bool // no secret is configured: Start loads or makes one
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "affiliate", New: func() caddy.Module { return new(App) }}
}

// Provision sets up a. It opens nothing: `caddy validate` provisions too, beside a server that runs.
func (a *App) Provision(ctx caddy.Context) error {
	log, repl := ctx.Slogger(), caddy.NewReplacer()
	a.log, a.api = log, sync.OnceValue(a.newAPI)
	a.Network = cmp.Or(a.Network, tracker.DefaultNetwork)
	if err := tracker.CheckNetwork(a.Network); err != nil {
		return err
	}
	a.storage = ctx.Storage()
	var err error
	if a.config, err = a.engineConfig(repl, log); err != nil {
		return err
	}
	if err := a.provisionDestinations(ctx, &a.config); err != nil {
		return err
	}
	if err := a.provisionSecret(repl, log); err != nil {
		return err
	}
	if a.live, err = acquire(); err != nil {
		return fmt.Errorf("getting the engine: %w", err)
	}
	a.engine = a.live.Engine
	if former := a.live.app.Load(); former != nil && former.makeSecret && a.makeSecret {
		a.seal.Store(former.seal.Load()) // requests may come before Start has loaded it again
	}
	if err := registerMetrics(ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	return a.commitWhenStarted(ctx)
}

// provisionSecret builds the sealer from the configured secrets, or leaves it to Start where one may be made.
func (a *App) provisionSecret(repl *caddy.Replacer, log *slog.Logger) error {
	sealer, err := a.configuredSealer(repl, log)
	if err != nil {
		return err
	}
	a.seal.Store(sealer)
	a.makeSecret = sealer == nil
	_, local := a.storage.(*certmagic.FileStorage)
	if a.makeSecret && local && (a.config.Redis != nil || a.config.Ledger.Kind == engine.LedgerPostgres) {
		return errors.New("a secret is required with redis or a postgres ledger, since each node would make its own " +
			"in Caddy's storage on its disk; " + howToSecret)
	}
	return nil
}

// commitWhenStarted subscribes to the event that Caddy emits once every app of the configuration has started. Only then is
// the configuration the one in force; before, another app may still refuse it.
func (a *App) commitWhenStarted(ctx caddy.Context) error {
	events, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("getting events app: %w", err)
	}
	if err := events.(*caddyevents.App).On("started", onStarted{a}); err != nil {
		return fmt.Errorf("subscribing to the started event: %w", err)
	}
	return nil
}

// onStarted commits its app. The field is unexported because the events app writes its handlers into the debug log.
type onStarted struct{ app *App }

// Handle implements caddyevents.Handler.
func (s onStarted) Handle(context.Context, caddy.Event) error { return s.app.commit() }

// commit makes the configuration the engine's, unless the engine was opened with it.
func (a *App) commit() error {
	if a.live == nil {
		return nil // the configuration is gone already
	}
	a.live.app.Store(a)
	if !a.opened {
		if err := a.engine.Apply(a.config); err != nil {
			return fmt.Errorf("applying the configuration to the affiliate engine: %w", err)
		}
	}
	a.live.tell(a)
	return nil
}

// Validate refuses what the engine could not take over without a restart.
func (a *App) Validate() error { return a.engine.Check(a.config) }

// Start opens the engine if this is the first configuration that uses it. An error refuses the configuration.
func (a *App) Start() error {
	if a.makeSecret {
		sealer, err := storedSealer(a.storage)
		if err != nil {
			return err
		}
		a.seal.Store(sealer)
	}
	if a.live.opened {
		return nil
	}
	if err := a.engine.Open(a.config); err != nil {
		return fmt.Errorf("opening the affiliate engine: %w", err)
	}
	a.live.opened, a.opened = true, true
	return nil
}

// Stop has nothing to do: requests in flight still use the engine, which goes with its last reference.
func (*App) Stop() error { return nil }

// Cleanup gives the reference to the engine back. It closes the engine if no other configuration uses it: the app has left the
// configuration, Caddy exits, or the first configuration was refused after Start.
func (a *App) Cleanup() error {
	if a.live == nil {
		return nil
	}
	a.live = nil
	if _, err := engines.Delete(engineKey); err != nil {
		return fmt.Errorf("closing the affiliate engine: %w", err)
	}
	return nil
}

// sealer returns what seals and opens tokens, or nil while the app is starting.
func (a *App) sealer() *tracker.Sealer { return a.seal.Load() }

// window returns how long a click on that link earns. The link may be nil.
func (a *App) window(link *tracker.Link) time.Duration {
	if link != nil && link.Window > 0 {
		return min(link.Window, tracker.MaxWindow)
	}
	return cmp.Or(time.Duration(a.Window), tracker.DefaultWindow)
}

// Interface guards
var (
	_ caddy.App           = (*App)(nil)
	_ caddy.Provisioner   = (*App)(nil)
	_ caddy.Validator     = (*App)(nil)
	_ caddy.CleanerUpper  = (*App)(nil)
	_ caddyevents.Handler = onStarted{}
)
