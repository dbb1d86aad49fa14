package ledger

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// quarantinePage is how many records in quarantine are read at a time.
const quarantinePage = 100

// emptyQuarantine takes the bytes of the network's records in quarantine in which the person, or one of their sessions, is
// named.
func (e *eraser) emptyQuarantine(ctx context.Context) error {
	var origin string
	var seq int64
	for more := true; more; {
		page, err := readQuarantine(ctx, e.tx, ` WHERE (origin, seq) > ($1, $2) AND length(raw) > 0 ORDER BY origin, seq LIMIT $3`,
			origin, seq, quarantinePage)
		if err != nil {
			return err
		}
		for _, q := range page {
			origin, seq = q.Origin, int64(q.Seq)
			if !e.namedIn(q.Raw) {
				continue
			}
			_, err := e.tx.ExecContext(ctx, `UPDATE quarantine SET raw = $3 WHERE origin = $1 AND seq = $2`, origin, seq, []byte{})
			if err != nil {
				return fmt.Errorf("emptying a record in quarantine: %w", err)
			}
		}
		more = len(page) == quarantinePage
	}
	return nil
}

// namedIn reports whether a record of the edge names the person. In one that is damaged random ids stand for themselves, and
// a customer is looked for as a whole field, together with the network's.
func (e *eraser) namedIn(raw []byte) bool {
	network, hashes, err := tracker.ErasedHashes(e.ledger.id, raw)
	if err == nil {
		return network == e.network && (holds(raw, e.sessions) ||
			slices.ContainsFunc(hashes, func(hash string) bool { return e.hashes[hash] }))
	}
	if holds(raw, e.sessions) || e.visitor != "" && holds(raw, []string{e.visitor}) {
		return true
	}
	return holds(raw, []string{field(tracker.FieldNetwork, e.network)}) && holds(raw, e.customers)
}

// field is how a field stands in a record.
func field(name tracker.FieldName, value string) string {
	record := tracker.Record{Fields: []tracker.Field{{Name: name, Value: value}}}
	return string(record.Append(nil)[1:])
}

func holds(raw []byte, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return bytes.Contains(raw, []byte(name)) })
}

// emptyErased keeps the bytes of records out of the quarantine that name somebody who was erased.
func (a *applier) emptyErased(ctx context.Context) error {
	if !a.forgotten.people {
		return nil
	}
	for i, r := range a.refused {
		network, hashes, err := tracker.ErasedHashes(a.ledger.id, r.Raw)
		if err != nil {
			continue // nothing in it can be told apart
		}
		erased, err := erasedPeople.find(ctx, a.tx, network, hashes)
		if err != nil {
			return err
		}
		if len(erased) > 0 {
			a.refused[i].Raw = nil
		}
	}
	return nil
}
