package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// lookup finds the numbers of a network's rows by a text that is unique in the network.
type lookup struct{ one, many, all string }

const (
	// lookUpChunk is how many texts one statement looks up. The list is always filled up to it, so that each engine prepares
	// the statement once.
	lookUpChunk = 64

	// lookUpAll is from how many texts on all that the network has is read. PostgreSQL reads all of it for each chunk while it
	// has no statistics of a table, as after an import, which makes a second import of 100,000 rows a matter of minutes.
	lookUpAll = 16 * lookUpChunk
)

var (
	linkCodes      = newLookup("link", "code_key", "id")
	linkSubdomains = newLookup("link", "subdomain", "id")
	couponCodes    = newLookup("coupon", "code_key", "campaign_id")

	// sessionLinks are those that only a session made.
	sessionLinks = newLookup("(SELECT network, code_key, id FROM link WHERE source = '"+SourceSession+"') made", "code_key", "id")
)

func newLookup(table, text, number string) lookup {
	all := fmt.Sprintf(`SELECT %[2]s, %[3]s FROM %[1]s WHERE network = $1 AND %[2]s <> ''`, table, text, number)
	in := func(n int) string { return all + ` AND ` + text + ` IN (` + placeholders(2, n) + `)` }
	return lookup{one: in(1), many: in(lookUpChunk), all: all}
}

func placeholders(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "$%d", from+i)
	}
	return b.String()
}

// find returns the numbers of those texts that the network has.
func (q lookup) find(ctx context.Context, tx *sql.Tx, network string, texts []string) (claimed, error) {
	found, wanted := claimed{}, make(map[string]bool, len(texts))
	texts = slices.DeleteFunc(slices.Clone(texts), func(text string) bool {
		again := text == "" || wanted[text] // an empty text is nobody's
		wanted[text] = true
		return again
	})
	if len(texts) >= lookUpAll {
		return found, found.read(ctx, tx, wanted, q.all, network)
	}
	for chunk := range slices.Chunk(texts, lookUpChunk) {
		query, args := q.one, []any{network, chunk[0]}
		if len(chunk) > 1 {
			query, args = q.many, args[:1]
			for i := range lookUpChunk {
				args = append(args, chunk[min(i, len(chunk)-1)])
			}
		}
		if err := found.read(ctx, tx, wanted, query, args...); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// read takes what the query has of the wanted texts.
func (c claimed) read(ctx context.Context, tx *sql.Tx, wanted map[string]bool, query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("looking up the catalog: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		var number int64
		if err := rows.Scan(&text, &number); err != nil {
			return fmt.Errorf("looking up the catalog: %w", err)
		}
		if wanted[text] {
			c[text] = number
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("looking up the catalog: %w", err)
	}
	return nil
}

// claimed are texts that are taken: in the ledger, by the row of that number, or, with 0, by an earlier row of a batch.
type claimed map[string]int64

// claim takes text, or returns ErrExists with the field's name. An empty text is nobody's.
func (c claimed) claim(field, text string) error {
	if _, taken := c[text]; taken {
		return fmt.Errorf("%s %w", field, ErrExists)
	}
	if text != "" {
		c[text] = 0
	}
	return nil
}
