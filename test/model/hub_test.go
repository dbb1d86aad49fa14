//go:build unix

package model_test

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
)

// retain is how far the ledger may fall back.
const retain = 24 * time.Hour

// hub is a process that applies. In direct mode it is the edge itself.
type hub struct {
	ledger  *ledger.Ledger
	relay   *relay.Relay // nil in direct mode
	line    *line
	applier *forward.Applier
}

// startHub starts a process that remembers nothing.
func (m *machine) startHub() *hub {
	l, err := sqlite.Open(ctx, m.ledgerPath)
	m.must(err)
	h := &hub{ledger: l}
	source := forward.FromJournal(m.edge.journal, l, quiet)
	if m.server != nil {
		h.relay, h.line = m.openRelay()
		source = forward.FromRelay(h.relay)
	}
	h.applier, err = forward.NewApplier(source, l, retain, quiet)
	m.must(err)
	return h
}

func (h *hub) close() error {
	err := h.ledger.Close()
	if h.relay != nil {
		err = errors.Join(err, h.relay.Close())
	}
	return err
}

func (m *machine) restart(h *hub) *hub {
	m.must(h.close())
	return m.startHub()
}

// adopt looks for what nobody announced.
func (h *hub) adopt() error {
	if h.relay == nil {
		return nil
	}
	_, err := h.relay.Adopt(ctx)
	return err
}

func (h *hub) step() error {
	_, err := h.applier.Step(ctx)
	return err
}

func (h *hub) pass() error { return h.applier.Pass(ctx) }

// mark lets time go by in which the ledger's marks are written.
func (m *machine) mark() {
	h := m.aHub()
	for range rapid.IntRange(1, 10).Draw(m.t, "marks") {
		time.Sleep(retain / 8)
		m.try(h.line, h.pass)
	}
}

// backup is a copy of the ledger.
type backup struct {
	path string
	at   time.Time
}

func (m *machine) backUp() {
	b := backup{m.path("backup"), time.Now()}
	_, err := m.admin.Exec(`VACUUM INTO ?`, b.path)
	m.must(err)
	m.backups = append(m.backups, b)
}

// fallBack lets the ledger come back older, as far as the run may, under the hubs' hands. Copies that are younger than the
// one restored belong to a past that never was.
func (m *machine) fallBack() {
	for len(m.backups) > 0 && time.Since(m.backups[0].at) > m.fallback {
		m.backups = m.backups[1:]
	}
	if len(m.backups) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.backups)-1).Draw(m.t, "copy")
	m.must(putBack(m.admin, m.backups[i].path))
	m.tooFar = m.tooFar || time.Since(m.backups[i].at) > retain
	m.backups = m.backups[:i+1]
	m.excuse()
}

// miss notes what the journal has forgotten and the ledger needs again, once that may be.
func (m *machine) miss(w world) {
	for name, here := range m.disk {
		state, err := m.edge.journal.State(name)
		if errors.Is(err, journal.ErrNoOrigin) {
			delete(m.disk, name)
			continue
		}
		m.must(err)
		for seq := w.rows[name].Cursor + 1; seq <= state.Base; seq++ {
			here.rotten[seq], m.rotted[place{name, seq}] = true, true
		}
	}
}

// putBack replaces the rows of all tables with those of an older copy, in one transaction.
func putBack(db *sql.DB, older string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	var script string
	err = conn.QueryRowContext(ctx, `SELECT group_concat('DELETE FROM main.' || name ||
		'; INSERT INTO main.' || name || ' SELECT * FROM older.' || name || ';', ' ')
		FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`).Scan(&script)
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, `ATTACH ? AS older`, older); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, `BEGIN IMMEDIATE; `+script+` COMMIT`); err != nil {
		return fmt.Errorf("putting an older ledger back: %w", err)
	}
	_, err = conn.ExecContext(ctx, `DETACH older`)
	return err
}
