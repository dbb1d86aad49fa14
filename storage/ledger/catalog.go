package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// catalog changes networks, affiliates, campaigns and links within a transaction that holds the lock of meta's row. The
// lock makes changes follow one another, so numbers can be given by counting and uniqueness can be checked by looking.
type catalog struct {
	tx      *sql.Tx
	insert  func(ctx context.Context, tx *sql.Tx, r Rows) (int64, error)
	now     time.Time
	version int64
	changed bool
	highest map[string]int64 // the highest number of a table that has been asked for
	ledger  *Ledger
	events  *events
}

// change runs do on the catalog in one transaction. The version moves if do has changed anything.
func (l *Ledger) change(ctx context.Context, do func(c *catalog) error) error {
	return l.write(ctx, func(tx *sql.Tx) error {
		c, err := l.openCatalog(ctx, tx)
		if err != nil {
			return err
		}
		if err := do(c); err != nil {
			return err
		}
		return c.finish(ctx)
	})
}

func (l *Ledger) openCatalog(ctx context.Context, tx *sql.Tx) (*catalog, error) {
	c := &catalog{tx: tx, insert: l.db.Insert, now: l.now(), highest: map[string]int64{}, ledger: l, events: l.events()}
	err := tx.QueryRowContext(ctx, `UPDATE meta SET link_version = link_version RETURNING link_version`).Scan(&c.version)
	if err != nil {
		return nil, fmt.Errorf("locking the catalog: %w", err)
	}
	return c, nil
}

// finish moves the version. It is counted in milliseconds of the clock and by one where the clock stands behind, so that a
// ledger which comes back older does not give a number again to another state of its links.
func (c *catalog) finish(ctx context.Context) error {
	if !c.changed {
		return nil
	}
	if err := c.events.write(ctx, c.ledger, c.tx, c.now); err != nil {
		return err
	}
	if _, err := c.tx.ExecContext(ctx, `UPDATE meta SET link_version = $1`, c.next()); err != nil {
		return fmt.Errorf("moving the links' version: %w", err)
	}
	return nil
}

// next is the version that a change leads to.
func (c *catalog) next() int64 { return max(c.version+1, millis(c.now)) }

func (c *catalog) exec(ctx context.Context, what, query string, args ...any) error {
	if _, err := c.tx.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	c.changed = true
	return nil
}

// network makes the network if it is missing.
func (c *catalog) network(ctx context.Context, name string) error {
	return makeNetwork(ctx, c.tx, name, c.now)
}

func makeNetwork(ctx context.Context, tx *sql.Tx, name string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO network (name, created_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`,
		name, millis(now))
	if err != nil {
		return fmt.Errorf("adding the network: %w", err)
	}
	return nil
}

// kind is one of the catalog's tables. Its rows have, besides columns, id, network, created_at and updated_at.
type kind struct {
	table   string
	columns []string
}

// namedKind is a kind whose rows can be made from a name alone.
type namedKind struct {
	kind
	names lookup
	bare  func(name string) []any // the columns of such a row
}

// numbers reserves n numbers of the table, which none of its rows ever had, and returns the first.
func (c *catalog) numbers(ctx context.Context, table string, n int) (int64, error) {
	highest, known := c.highest[table]
	if !known {
		err := c.tx.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM (SELECT max(id) AS id FROM `+table+`
			UNION ALL SELECT highest FROM deleted_number WHERE kind = $1) given`, table).Scan(&highest)
		if err != nil {
			return 0, fmt.Errorf("numbering in %s: %w", table, err)
		}
	}
	c.highest[table] = highest + int64(n)
	return highest + 1, nil
}

// addChunk is how many rows are added by one statement, and between two reports of progress.
const addChunk = 100

// add inserts n rows, of which row returns the values of the kind's columns, under numbers that follow one another. It
// returns the first, and calls progress with how many are there.
func (c *catalog) add(
	ctx context.Context, k kind, network string, n int, row func(i int) []any, progress func(done int),
) (first int64, err error) {
	if first, err = c.numbers(ctx, k.table, n); err != nil {
		return 0, err
	}
	columns := append([]string{"id", "network", "created_at", "updated_at"}, k.columns...)
	for from := 0; from < n; from += addChunk {
		rows := make([][]any, min(addChunk, n-from))
		for i := range rows {
			rows[i] = append([]any{first + int64(from+i), network, millis(c.now), millis(c.now)}, row(from+i)...)
		}
		if err := c.insertRows(ctx, byColumn(k.table, "id", columns, rows)); err != nil {
			return 0, err
		}
		if k.table == affiliateKind.table {
			for i := range rows {
				c.tellAffiliate(network, first+int64(from+i))
			}
		}
		progress(from + len(rows))
	}
	return first, nil
}

// tellAffiliate notes that an affiliate was made, changed or deleted. The event's number is the version, which no other has.
func (c *catalog) tellAffiliate(network string, id int64) {
	c.events.tellNumbered(tracker.EventAffiliate, network, id, fromMillis(c.next()))
}

// addOne inserts one row and returns its number.
func (c *catalog) addOne(ctx context.Context, k kind, network string, values []any) (int64, error) {
	return c.add(ctx, k, network, 1, func(int) []any { return values }, quiet)
}

// quiet is for work whose progress nobody follows.
func quiet(int) {}

func (c *catalog) insertRows(ctx context.Context, rows Rows) error {
	added, err := c.insert(ctx, c.tx, rows)
	if err == nil && int(added) != rows.Len {
		err = fmt.Errorf("%d of %d rows were there already", rows.Len-int(added), rows.Len)
	}
	if err != nil {
		return fmt.Errorf("adding to %s: %w", rows.Table, err)
	}
	c.changed = true
	return nil
}

// byColumn turns rows of values (string, int64, bool) into a batch.
func byColumn(table, key string, columns []string, rows [][]any) Rows {
	batch := Rows{Table: table, Key: key, Columns: make([]Column, len(columns)), Len: len(rows)}
	for i := range columns {
		column := &batch.Columns[i]
		column.Name = columns[i]
		for _, row := range rows {
			switch v := row[i].(type) {
			case string:
				column.Text = append(column.Text, v)
			case int64:
				column.Int = append(column.Int, v)
			case bool:
				column.Truth = append(column.Truth, v)
			}
		}
	}
	return batch
}

// update stores next in the place of old, both the values of the kind's columns, if they differ.
func (c *catalog) update(ctx context.Context, k kind, id int64, old, next []any) error {
	if slices.Equal(old, next) {
		return nil
	}
	var set strings.Builder
	for i, column := range k.columns {
		fmt.Fprintf(&set, "%s = $%d, ", column, i+3)
	}
	return c.exec(ctx, "changing "+k.table, `UPDATE `+k.table+` SET `+set.String()+`updated_at = $2 WHERE id = $1`,
		append([]any{id, millis(c.now)}, next...)...)
}

// named returns the numbers of a network's rows by their names, and makes those that are missing.
func (c *catalog) named(ctx context.Context, k namedKind, network string, names ...string) (map[string]int64, error) {
	found, err := k.names.find(ctx, c.tx, network, names)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, name := range names {
		if _, known := found[name]; !known {
			found[name] = 0
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	if err := c.network(ctx, network); err != nil {
		return nil, err
	}
	first, err := c.add(ctx, k.kind, network, len(missing), func(i int) []any { return k.bare(missing[i]) }, quiet)
	for i, name := range missing {
		found[name] = first + int64(i)
	}
	return found, err
}

// has reports whether the network has that number in the table.
func (c *catalog) has(ctx context.Context, table, network string, id int64) (bool, error) {
	var there bool
	err := c.tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM `+table+` WHERE network = $1 AND id = $2)`, network, id).
		Scan(&there)
	if err != nil {
		return false, fmt.Errorf("looking into %s: %w", table, err)
	}
	return there, nil
}

// free returns ErrExists, with the field's name, if another row than id has the value.
func (c *catalog) free(ctx context.Context, values lookup, network, field, value string, id int64) error {
	found, err := values.find(ctx, c.tx, network, []string{value})
	if err != nil {
		return err
	}
	if holder := found[value]; holder != 0 && holder != id {
		return fmt.Errorf("%s %w", field, ErrExists)
	}
	return nil
}

// remove deletes a row that nothing names in the column.
func (c *catalog) remove(ctx context.Context, table, column, network string, id int64) error {
	there, err := c.has(ctx, table, network, id)
	if err != nil {
		return err
	}
	if !there {
		return ErrNotFound
	}
	for _, user := range []string{"link", "coupon", "conversion", "customer"} {
		var used bool
		query := `SELECT EXISTS (SELECT 1 FROM ` + user + ` WHERE network = $1 AND ` + column + ` = $2)`
		if err := c.tx.QueryRowContext(ctx, query, network, id).Scan(&used); err != nil {
			return fmt.Errorf("looking into %s: %w", user, err)
		}
		if used {
			return tracker.ErrInUse
		}
	}
	err = c.exec(ctx, "keeping a number from being given again", `INSERT INTO deleted_number (kind, highest) VALUES ($1, $2)
		ON CONFLICT (kind) DO UPDATE SET highest = excluded.highest WHERE deleted_number.highest < excluded.highest`, table, id)
	if err != nil {
		return err
	}
	return c.exec(ctx, "deleting from "+table, `DELETE FROM `+table+` WHERE network = $1 AND id = $2`, network, id)
}

// array is the JSON text of a list.
func array[T any](list []T) string {
	if len(list) == 0 {
		return "[]"
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic(err) // what the catalog keeps always has a JSON form
	}
	return string(text)
}
