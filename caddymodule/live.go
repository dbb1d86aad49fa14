package caddymodule

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-affiliate/caddy-affiliate/engine"
)

// engines keeps the process's one engine through configuration changes. It goes when no configuration uses it any more.
var engines = caddy.NewUsagePool()

// engineKey is constant: every configuration uses the same engine, so a reload neither reopens the journal nor reconnects, and a
// request that began under the old configuration still has a living engine when its configuration is gone.
const engineKey = "engine"

func init() {
	// Caddy has stopped every app by then, which closes the engine as the last reference goes. This is for a process that
	// exits with a configuration still loading.
	caddy.OnExit(func(context.Context) {
		if live := running(); live != nil {
			live.Close()
		}
	})
}

// liveEngine is the engine and what the configuration that runs it says.
type liveEngine struct {
	*engine.Engine

	// opened is set by the first configuration's Start. Caddy starts and commits one configuration at a time.
	opened bool

	// app is the configuration in force: never one that is still starting, nor one that was refused.
	app atomic.Pointer[App]

	// told is what tell has logged last.
	told string
}

// tell logs what the configuration in force works with, unless it was the same before.
func (l *liveEngine) tell(a *App) {
	places := append([]slog.Attr{slog.String("network", a.Network)}, a.config.Places()...)
	if text := fmt.Sprint(places); text != l.told {
		l.told = text
		a.log.LogAttrs(context.Background(), slog.LevelInfo, "affiliate configuration in force", places...)
	}
}

// acquire takes a reference to the engine, which is made without opening anything where there is none.
func acquire() (*liveEngine, error) {
	value, _, err := engines.LoadOrNew(engineKey, func() (caddy.Destructor, error) {
		return &liveEngine{Engine: engine.New()}, nil
	})
	if err != nil {
		return nil, err
	}
	return value.(*liveEngine), nil
}

// running returns the engine if any configuration holds it, or nil.
func running() *liveEngine {
	var live *liveEngine
	engines.Range(func(_, value any) bool {
		live, _ = value.(*liveEngine)
		return false
	})
	return live
}

// Destruct closes the engine; Caddy calls it when the last reference goes.
func (l *liveEngine) Destruct() error { return l.Close() }

// Interface guard
var _ caddy.Destructor = (*liveEngine)(nil)
