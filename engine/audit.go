package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
)

// Audit is the arithmetic of the books: for each origin, issued = applied + quarantined + lost + journalled.
type Audit struct {
	Balanced  bool          `json:"balanced"` // every origin's sum holds, and nothing is lost
	Origins   []AuditOrigin `json:"origins"`
	WrongSums *int64        `json:"wrong_sums,omitempty"` // sums of reports that a recount does not bear out; absent unless one was asked for
	Trouble   string        `json:"trouble,omitempty"`    // what keeps records from the ledger, for people; the sums may hold all the same
}

// AuditOrigin is one origin's sum.
type AuditOrigin struct {
	Origin      string `json:"origin"`
	Where       string `json:"where"`       // "journal": its records are on this disk; "relay": known from Redis; "ledger": only from the books
	Issued      uint64 `json:"issued"`      // numbers given
	Applied     uint64 `json:"applied"`     // in the ledger
	Quarantined uint64 `json:"quarantined"` // refused by the ledger and kept there as they came
	Lost        uint64 `json:"lost"`        // cannot be read any more
	Journalled  uint64 `json:"journalled"`  // on their way: above the ledger's cursor
	Repeated    uint64 `json:"repeated"`    // of the applied: sessions that the ledger had already, from another copy of the process
	Balanced    bool   `json:"balanced"`

	WaitingSince *time.Time `json:"waiting_since,omitempty"` // when an edge took the oldest record that the ledger does not take
}

// The places that an audited origin is known from.
const (
	WhereJournal = "journal"
	WhereRelay   = "relay"
	WhereLedger  = "ledger"
)

// Audit reads the ledger first and the journal second; the other way round the sum would be a race (P6).
func (e *Engine) Audit(ctx context.Context) (Audit, error) {
	l, err := e.Ledger()
	if err != nil {
		return Audit{}, err
	}
	rows, err := l.Origins(ctx)
	if err != nil {
		return Audit{}, err
	}
	booked := make(map[string]ledger.Origin, len(rows))
	for _, row := range rows {
		booked[row.Name] = row
	}
	audit := Audit{Balanced: true, Origins: []AuditOrigin{}}
	seen := map[string]bool{}
	add := func(o AuditOrigin) {
		seen[o.Origin] = true
		audit.Origins = append(audit.Origins, o)
		audit.Balanced = audit.Balanced && o.Balanced
	}
	if j := e.journal.Load(); j != nil {
		for _, name := range j.Origins() {
			state, err := j.State(name)
			if errors.Is(err, journal.ErrNoOrigin) {
				continue // it was finished and removed since it was listed
			}
			if err != nil { // it cannot be read, so nobody can say what it holds; the log says why
				unread := AuditOrigin{Origin: name, Where: WhereJournal, Issued: booked[name].Cursor}.sum(booked[name])
				unread.Balanced = false
				add(unread)
				continue
			}
			if row := booked[name]; state.Durable > 0 || row.Cursor > 0 {
				add(onDisk(name, row, state))
			}
		}
	}
	for name, answer := range e.streams(ctx) {
		if !seen[name] {
			add(elsewhere(name, booked[name], answer))
		}
	}
	for _, row := range rows {
		if !seen[row.Name] {
			add(elsewhere(row.Name, row, relay.Answer{}))
		}
	}
	audit.addTrouble(e.running.Load())
	slices.SortFunc(audit.Origins, func(a, b AuditOrigin) int { return strings.Compare(a.Origin, b.Origin) })
	return audit, nil
}

// addTrouble says which origins cannot go on.
func (a *Audit) addTrouble(w *workers) {
	if w == nil || w.applier.Load() == nil {
		return
	}
	trouble, some := w.applier.Load().Trouble()
	if !some {
		return
	}
	a.Trouble = troubleText(trouble)
	for i, o := range a.Origins {
		if since, waits := trouble.Origins[o.Origin]; waits {
			a.Origins[i].WaitingSince = &since
		}
	}
}

// Recount adds to the audit whether the sums of the reports are what the conversions come to. It reads every conversion.
func (e *Engine) Recount(ctx context.Context, audit *Audit) error {
	l, err := e.Ledger()
	if err != nil {
		return err
	}
	wrong, err := l.Recount(ctx)
	if err != nil {
		return err
	}
	audit.WrongSums = &wrong
	audit.Balanced = audit.Balanced && wrong == 0
	return nil
}

// onDisk sums up an origin whose records are here: what is journalled is counted from the records above the cursor.
func onDisk(name string, row ledger.Origin, state journal.State) AuditOrigin {
	o := AuditOrigin{Origin: name, Where: WhereJournal, Issued: max(state.Durable, row.Cursor)}
	if above := max(row.Cursor, state.Base); state.Durable > above {
		o.Journalled = state.Durable - above
	}
	return o.sum(row)
}

// elsewhere sums up an origin of another node, as far as its stream tells.
func elsewhere(name string, row ledger.Origin, stream relay.Answer) AuditOrigin {
	o := AuditOrigin{Origin: name, Where: WhereLedger, Issued: row.Cursor}
	if stream.Len > 0 {
		o.Where = WhereRelay
		o.Issued = max(stream.Last, row.Cursor)
		o.Journalled = o.Issued - row.Cursor
	}
	return o.sum(row)
}

func (o AuditOrigin) sum(row ledger.Origin) AuditOrigin {
	o.Applied, o.Quarantined, o.Lost, o.Repeated = row.Applied, row.Quarantined, row.Lost, row.Repeated
	o.Balanced = o.Lost == 0 && o.Issued == o.Applied+o.Quarantined+o.Lost+o.Journalled
	return o
}

// streams polls the announced streams. A relay that is away leaves the other origins to be known from the ledger.
func (e *Engine) streams(ctx context.Context) map[string]relay.Answer {
	w := e.running.Load()
	if w == nil || w.relay == nil {
		return nil
	}
	names, err := w.relay.Origins(ctx)
	if err != nil {
		return nil
	}
	streams := make(map[string]relay.Answer, len(names))
	for _, name := range names {
		answer, err := w.relay.Append(ctx, relay.Call{Origin: name})
		if err != nil {
			return streams // it went away; the next would wait as long
		}
		streams[name] = answer
	}
	return streams
}

// balanceEvery is how often the audit's metrics are brought up to date.
const balanceEvery = 15 * time.Second

func (w *workers) watchBalance(ctx context.Context) {
	every(ctx, balanceEvery, func(ctx context.Context) {
		if audit, err := w.engine.Audit(ctx); err == nil {
			setBalance(audit)
		}
		if l := w.engine.ledger.Load(); l != nil {
			if waiting, err := l.WaitingRefunds(ctx); err == nil {
				waitingRefunds.Set(float64(waiting))
			}
		}
	})
}

func setBalance(audit Audit) {
	var journalled, unbalanced float64
	for _, o := range audit.Origins {
		journalled += float64(o.Journalled)
		if !o.Balanced {
			unbalanced++
		}
	}
	auditJournalled.Set(journalled)
	auditUnbalanced.Set(unbalanced)
}
