package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// erasures is the table of who was erased. Whoever books anything of people enters it first, and an erasure has it to itself:
// nothing that was read before an erasure is written after it.
const erasures = "erased_visitor"

// erasedPeople finds who was erased, by the hash.
var erasedPeople = newLookup(erasures, "hash", "erased_at")

// ErasedVersion returns what changes when somebody is erased, in any network.
func (l *Ledger) ErasedVersion(ctx context.Context) (string, error) {
	var count, latest int64
	err := l.db.Read.QueryRowContext(ctx, `SELECT count(*), coalesce(max(erased_at), 0) FROM erased_visitor`).Scan(&count, &latest)
	if err != nil {
		return "", l.told(fmt.Errorf("counting who was erased: %w", err))
	}
	return fmt.Sprintf("%d %d", count, latest), nil
}

// Erased returns the hashes of all who were erased, in all networks: tracker.VisitorHash of visitors and, keyed by the
// ledger's id, tracker.CustomerHash of customers.
func (l *Ledger) Erased(ctx context.Context) ([]string, error) {
	return read(ctx, l, "who was erased", scanText, `SELECT hash FROM erased_visitor`)
}

// whileNobodyErases waits until no erasure is under way, and keeps erasures waiting until the transaction has ended. It comes
// before anything else in it, so that nobody waits for an erasure who has something that it needs.
func (l *Ledger) whileNobodyErases(ctx context.Context, tx *sql.Tx) error {
	return l.wait(ctx, tx, l.db.Enter)
}

// whileNobodyBooks is the other side.
func (l *Ledger) whileNobodyBooks(ctx context.Context, tx *sql.Tx) error {
	return l.wait(ctx, tx, l.db.Exclude)
}

func (l *Ledger) wait(ctx context.Context, tx *sql.Tx, in func(context.Context, *sql.Tx, string) error) error {
	if in == nil {
		return nil
	}
	if err := in(ctx, tx, erasures); err != nil {
		return fmt.Errorf("waiting for erasures: %w", err)
	}
	return nil
}

func (b *books) remember(ctx context.Context, network, hash string) error {
	_, err := b.tx.ExecContext(ctx, `INSERT INTO erased_visitor (network, hash, erased_at) VALUES ($1, $2, $3)
		ON CONFLICT (network, hash) DO NOTHING`, network, hash, millis(b.now))
	if err != nil {
		return fmt.Errorf("remembering the erasure: %w", err)
	}
	return nil
}

// tellsOfErased reports whether the evidence names somebody who was erased: a visitor by token or cookie, or a customer. What
// it is the evidence of lands blank then, whichever way it comes.
func (b *books) tellsOfErased(ctx context.Context, network string, e tracker.Evidence) (bool, error) {
	if b.nobodyErased {
		return false, nil
	}
	var hashes []string
	for _, token := range []*tracker.Token{e.Token, e.Cookie} {
		if token != nil && !token.Visitor.IsZero() {
			hashes = append(hashes, tracker.VisitorHash(network, token.Visitor))
		}
	}
	if e.CustomerExternalID != "" {
		hashes = append(hashes, hashOfPseudonym(b.ledger.pseudonym(network, e.CustomerExternalID, e.CustomerBrand)))
	}
	if e.CustomerID != "" {
		var externalID string
		err := b.tx.QueryRowContext(ctx, `SELECT external_id FROM customer WHERE network = $1 AND id = $2`, network, e.CustomerID).
			Scan(&externalID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return false, fmt.Errorf("reading a customer: %w", err)
		}
		if isPseudonym(externalID) {
			hashes = append(hashes, hashOfPseudonym(externalID))
		}
	}
	erased, err := erasedPeople.find(ctx, b.tx, network, hashes)
	return len(erased) > 0, err
}

// visitorOf returns the visitor whose token or cookie is the evidence, or the empty string.
func visitorOf(network string, e tracker.Evidence) string {
	for _, token := range []*tracker.Token{e.Token, e.Cookie} {
		if token != nil && token.Network == network && !token.Visitor.IsZero() {
			return token.Visitor.String()
		}
	}
	return ""
}

// blankErased blanks sessions of visitors who were erased.
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
		erased, err := erasedPeople.find(ctx, a.tx, network, wanted)
		if err != nil {
			return err
		}
		for i, r := range records {
			if _, gone := erased[hashes[i]]; gone {
				records[i].Session = blanked(*r.Session)
			}
		}
	}
	return nil
}

// erasedPrefix begins the external ids of erased customers. Their hash follows.
const erasedPrefix = "erased:"

// pseudonym returns what stands for the external id of an erased customer. It is the same for ever. That of a pseudonym is
// itself.
func (l *Ledger) pseudonym(network, externalID, brand string) string {
	if isPseudonym(externalID) {
		return externalID
	}
	return erasedPrefix + tracker.CustomerHash(l.id, network, externalID, brand)
}

func isPseudonym(externalID string) bool {
	return strings.HasPrefix(externalID, erasedPrefix) && len(externalID) == len(erasedPrefix)+64
}

func hashOfPseudonym(pseudonym string) string { return strings.TrimPrefix(pseudonym, erasedPrefix) }

// erasedHash takes the place of the hash of a content that told of somebody who was erased: by the hash it could be tried out
// what the content was.
const erasedHash = "erased"

// sameContent reports whether a report says what an earlier one, whose hash is known, said. Of what was erased that cannot be
// said any more: it counts as the same.
func sameContent(known, hash string) bool { return known == hash || known == erasedHash }

// contentHash is the hash of the report's content, as it is kept.
func contentHash(n *tracker.NewConversion) string {
	if n.Erased {
		return erasedHash
	}
	return n.ContentHash()
}
