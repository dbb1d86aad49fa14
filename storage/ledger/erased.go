package ledger

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// erasedVisitors finds visitors who were erased, by the hash.
var erasedVisitors = newLookup("erased_visitor", "hash", "erased_at")

// ErasedVersion returns what changes when a visitor is erased, in any network.
func (l *Ledger) ErasedVersion(ctx context.Context) (string, error) {
	var count, latest int64
	err := l.db.Read.QueryRowContext(ctx, `SELECT count(*), coalesce(max(erased_at), 0) FROM erased_visitor`).Scan(&count, &latest)
	if err != nil {
		return "", fmt.Errorf("counting erased visitors: %w", err)
	}
	return fmt.Sprintf("%d %d", count, latest), nil
}

// ErasedVisitors returns the hashes (tracker.VisitorHash) of all visitors who were erased, in all networks.
func (l *Ledger) ErasedVisitors(ctx context.Context) ([]string, error) {
	return readAll(ctx, l.db.Read, "erased visitors", scanText, `SELECT hash FROM erased_visitor`)
}

func (e *eraser) remember(ctx context.Context, visitor tracker.VisitorID) error {
	_, err := e.tx.ExecContext(ctx, `INSERT INTO erased_visitor (network, hash, erased_at) VALUES ($1, $2, $3)
		ON CONFLICT (network, hash) DO NOTHING`, e.network, tracker.VisitorHash(e.network, visitor), millis(e.ledger.now()))
	if err != nil {
		return fmt.Errorf("remembering the erasure: %w", err)
	}
	return nil
}

// blanked does to a session what blankSessions does to a row.
func blanked(s Session) *Session {
	s.Visitor, s.IP, s.UserAgent, s.Browser, s.OS, s.Device = tracker.VisitorID{}, "", "", "", "", ""
	s.Query, s.Referrer, s.SubIDs, s.ClickIDs = "", "", nil, nil
	return &s
}

// blankErased blanks sessions of visitors who were erased, and keeps their bytes out of the quarantine.
func (a *applier) blankErased(ctx context.Context, records []Record) error {
	byNetwork := map[string][]string{}
	hashes := make([]string, len(records))
	for i, r := range records {
		if s := r.Session; !s.Visitor.IsZero() {
			hashes[i] = tracker.VisitorHash(s.Network, s.Visitor)
			byNetwork[s.Network] = append(byNetwork[s.Network], hashes[i])
		}
	}
	for network, wanted := range byNetwork {
		erased, err := erasedVisitors.find(ctx, a.tx, network, wanted)
		if err != nil {
			return err
		}
		for i, r := range records {
			if _, gone := erased[hashes[i]]; gone {
				records[i].Session, records[i].Raw = blanked(*r.Session), nil
			}
		}
	}
	return nil
}

// erasedPrefix begins the external ids of erased customers. A pseudonym follows, of 64 hexadecimal digits.
const erasedPrefix = "erased:"

// pseudonym returns what stands for the external id of an erased customer. It is the same for ever, and without the ledger's
// own id nobody can try out which external id it stands for. That of a pseudonym is itself.
func (l *Ledger) pseudonym(network, externalID, brand string) string {
	if strings.HasPrefix(externalID, erasedPrefix) && len(externalID) == len(erasedPrefix)+2*sha256.Size {
		return externalID
	}
	h := hmac.New(sha256.New, []byte(l.id))
	for _, text := range []string{network, brand, externalID} {
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	return erasedPrefix + hex.EncodeToString(h.Sum(nil))
}
