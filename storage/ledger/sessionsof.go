package ledger

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// sessionsOfVisitor bounds the sessions of one visitor that SessionsOf returns.
const sessionsOfVisitor = 20

// SessionsOf returns the network's sessions that belong to conversions, newest first: those by which they were won, and the
// latest 20 of each of their visitors.
func (l *Ledger) SessionsOf(ctx context.Context, network string, conversions []tracker.Conversion) ([]tracker.BookedSession, error) {
	var sessions []Session
	for chunk := range slices.Chunk(conversions, lookUpChunk) {
		ids, visitors := make([]any, lookUpChunk), make([]any, lookUpChunk)
		for i := range lookUpChunk {
			c := &chunk[min(i, len(chunk)-1)]
			ids[i], visitors[i] = c.SessionID, c.VisitorID
		}
		found, err := l.readSessions(ctx, sessionsOf, slices.Concat([]any{network}, ids, []any{network}, visitors))
		if err != nil {
			return nil, err
		}
		sessions = append(sessions, found...)
	}
	slices.SortFunc(sessions, func(a, b Session) int {
		return cmp.Or(b.Time.Compare(a.Time), bytes.Compare(b.ID[:], a.ID[:]))
	})
	return slices.CompactFunc(sessions, func(a, b Session) bool { return a.ID == b.ID }), nil
}

// SQLite would take an index that begins with the network if the column stood alone, and read all its sessions.
var sessionsOf = ` JOIN (SELECT id FROM session WHERE network || '' = $1 AND id IN (` + placeholders(2, lookUpChunk) + `)
	UNION SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY visitor_id ORDER BY time DESC, id DESC) AS nth
		FROM session WHERE network || '' = ` + placeholders(lookUpChunk+2, 1) + ` AND visitor_id <> ''
		AND visitor_id IN (` + placeholders(lookUpChunk+3, lookUpChunk) + `)) AS latest WHERE nth <= ` + strconv.Itoa(sessionsOfVisitor) + `
	) AS found ON found.id = s.id`
