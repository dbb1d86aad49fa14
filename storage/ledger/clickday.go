package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// dayMillis is a day of the reports, which is UTC, in milliseconds.
const dayMillis = int64(24 * time.Hour / time.Millisecond)

// clickSums are the clicks of one transaction, which the reports' sums grow by.
type clickSums map[clickKey]clickCounts

// clickKey is a row of click_day, or, with a sub-id, of click_sub_day, or, with a sub-id and no link, of sub_day.
type clickKey struct {
	network string
	day     int64
	link    int64
	sub1    string
}

// table is where the key's row is. The tables are written in the order of their names.
func (k clickKey) table() string {
	switch {
	case k.sub1 == "":
		return "click_day"
	case k.link != 0:
		return "click_sub_day"
	default:
		return "sub_day"
	}
}

func (k clickKey) compare(o clickKey) int {
	return cmp.Or(strings.Compare(k.table(), o.table()), strings.Compare(k.network, o.network), cmp.Compare(k.day, o.day),
		cmp.Compare(k.link, o.link), strings.Compare(k.sub1, o.sub1))
}

// clickCounts are clicks as reports tell them apart.
type clickCounts struct{ clicks, uniques, bots, others int64 }

func (c clickCounts) plus(o clickCounts) clickCounts {
	return clickCounts{c.clicks + o.clicks, c.uniques + o.uniques, c.bots + o.bots, c.others + o.others}
}

func (c clickCounts) minus(o clickCounts) clickCounts {
	return clickCounts{c.clicks - o.clicks, c.uniques - o.uniques, c.bots - o.bots, c.others - o.others}
}

// countClicks moves the sums by the sessions that have landed. It comes late in the transaction, since others who count clicks
// of the same links wait from here to its end; and the sums' rows are locked before it is looked which clicks are unique, so
// that of two transactions with clicks of one visitor on one link the second sees those of the first.
func (a *applier) countClicks(ctx context.Context) error {
	sums := clickSums{}
	for _, r := range a.landed {
		sums.add(r.Session, countsOf(r.Session))
	}
	if alone := a.ledger.db.Exclude == nil; !alone {
		if err := sums.lock(ctx, a.ledger, a.tx); err != nil {
			return err
		}
	}
	first, err := a.firstClicks(ctx)
	if err != nil {
		return err
	}
	for _, s := range first {
		sums.add(s, clickCounts{uniques: 1})
	}
	return sums.write(ctx, a.ledger, a.tx)
}

// countsOf is what the session counts for, but for being unique.
func countsOf(s *Session) clickCounts {
	switch s.Class {
	case tracker.ClassHuman, tracker.ClassRepeat:
		return clickCounts{clicks: 1}
	case tracker.ClassBot, tracker.ClassPrefetch, tracker.ClassSubresource:
		return clickCounts{bots: 1}
	default:
		return clickCounts{others: 1}
	}
}

// add counts the session, unless only a token told of it.
func (c clickSums) add(s *Session, n clickCounts) {
	if s.Reconstructed {
		return
	}
	key := clickKey{network: s.Network, day: dayOf(s.Time), link: s.LinkID}
	c[key] = c[key].plus(n)
	if key.sub1 = harmless(s.SubIDs["sub1"], tracker.MaxSubID); key.sub1 != "" {
		c[key] = c[key].plus(n)
		key.link = 0
		c[key] = c[key].plus(n)
	}
}

// lock locks the rows of click_day, and makes those that are missing.
func (c clickSums) lock(ctx context.Context, l *Ledger, tx *sql.Tx) error {
	nothing := clickSums{}
	for key := range c {
		if key.sub1 == "" {
			nothing[key] = clickCounts{}
		}
	}
	return nothing.write(ctx, l, tx)
}

// write moves the sums. All who do so take the rows in one order, so that none waits for another who waits for it.
func (c clickSums) write(ctx context.Context, l *Ledger, tx *sql.Tx) error {
	keys := slices.SortedFunc(maps.Keys(c), clickKey.compare)
	for len(keys) > 0 {
		table := keys[0].table()
		n := slices.IndexFunc(keys, func(k clickKey) bool { return k.table() != table })
		if n < 0 {
			n = len(keys)
		}
		if _, err := l.db.Insert(ctx, tx, c.rows(table, keys[:n])); err != nil {
			return fmt.Errorf("counting clicks: %w", err)
		}
		keys = keys[n:]
	}
	return nil
}

// rows lays the sums of those keys, which are of one table, out by column.
func (c clickSums) rows(table string, keys []clickKey) Rows {
	n := len(keys)
	network, sub1, day, link := make([]string, n), make([]string, n), make([]int64, n), make([]int64, n)
	clicks, uniques, bots, others := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i, k := range keys {
		network[i], day[i], link[i], sub1[i] = k.network, k.day, k.link, k.sub1
		clicks[i], uniques[i], bots[i], others[i] = c[k].clicks, c[k].uniques, c[k].bots, c[k].others
	}
	columns := []Column{{Name: "network", Text: network}, {Name: "day", Int: day}}
	if table != "sub_day" {
		columns = append(columns, Column{Name: "link_id", Int: link})
	}
	if table != "click_day" {
		columns = append(columns, Column{Name: "sub1", Text: sub1})
	}
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = column.Name
	}
	return Rows{
		Table: table, Key: strings.Join(names, ", "), Len: n,
		Columns: append(columns, Column{Name: "clicks", Int: clicks}, Column{Name: "uniques", Int: uniques},
			Column{Name: "bots", Int: bots}, Column{Name: "others", Int: others}),
		Conflict: strings.ReplaceAll(`UPDATE SET clicks = t.clicks + excluded.clicks, uniques = t.uniques + excluded.uniques,
			bots = t.bots + excluded.bots, others = t.others + excluded.others`, "t.", table+"."),
	}
}

// firstClick is what a unique click is the first of: a visitor's clicks on a link in a day.
type firstClick struct {
	visitor string
	link    int64
	day     int64
}

// firstClickOf returns what the session may be the first of. Only a person's click of a visitor who is known is unique.
func firstClickOf(s *Session) (key firstClick, able bool) {
	if s.Class != tracker.ClassHuman || s.Visitor.IsZero() || s.Reconstructed {
		return firstClick{}, false
	}
	return firstClick{s.Visitor.String(), s.LinkID, dayOf(s.Time)}, true
}

// firstClicks returns those of the sessions that have landed that are the first of their visitor on their link in their day.
func (a *applier) firstClicks(ctx context.Context) (map[firstClick]*Session, error) {
	first := make(map[firstClick]*Session, len(a.landed))
	visitors := make([]string, 0, len(a.landed))
	for _, r := range a.landed {
		key, able := firstClickOf(r.Session)
		if _, earlier := first[key]; able && !earlier {
			first[key] = r.Session
			visitors = append(visitors, key.visitor)
		}
	}
	returning, err := a.returning(ctx, visitors)
	if err != nil {
		return nil, err
	}
	var keys []firstClick
	for key := range first {
		if returning[key.visitor] {
			keys = append(keys, key)
		}
	}
	return first, a.leaveOutKnown(ctx, keys, first)
}

// returning returns those of the visitors, who have landed, of whom the ledger has more than one session. Most have come for
// the first time, and for them an entry of the index is all that is looked at.
func (a *applier) returning(ctx context.Context, visitors []string) (map[string]bool, error) {
	if len(visitors) == 0 {
		return nil, nil
	}
	table, args := a.ledger.db.Values(Rows{Table: "v", Columns: []Column{{Name: "visitor", Text: visitors}}, Len: len(visitors)})
	found, err := readAll(ctx, a.tx, "returning visitors", scanText, `SELECT v.visitor FROM `+table+` WHERE (SELECT 1 FROM session s
		WHERE s.visitor_id = v.visitor AND s.visitor_id <> '' LIMIT 1 OFFSET 1) IS NOT NULL`, args...)
	returning := make(map[string]bool, len(found))
	for _, visitor := range found {
		returning[visitor] = true
	}
	return returning, err
}

// leaveOutKnown deletes from first those of the keys of which the ledger had a click before this transaction's. It asks for
// each in a way that every planner answers from session_visitor, whatever it believes of the table's size, and from few
// entries of it, however often the visitor has clicked.
func (a *applier) leaveOutKnown(ctx context.Context, keys []firstClick, first map[firstClick]*Session) error {
	if len(keys) == 0 {
		return nil
	}
	n := len(keys)
	visitor, link, day := make([]string, n), make([]int64, n), make([]int64, n)
	for i, k := range keys {
		visitor[i], link[i], day[i] = k.visitor, k.link, k.day
	}
	table, args := a.ledger.db.Values(Rows{
		Table: "v", Columns: []Column{{Name: "visitor", Text: visitor}, {Name: "link", Int: link}, {Name: "day", Int: day}}, Len: n,
	})
	known, err := readAll(ctx, a.tx, "earlier clicks", scanFirstClick, fmt.Sprintf(`SELECT v.visitor, v.link, v.day FROM %s
		WHERE (SELECT 1 FROM session s WHERE s.visitor_id = v.visitor AND s.visitor_id <> '' AND s.link_id = v.link
			AND s.time >= v.day * %[2]d AND s.time < (v.day + 1) * %[2]d AND s.class = 'human' AND NOT s.reconstructed
			AND NOT (s.origin = $%[3]d AND s.seq > $%[4]d) AND s.id <> $%[5]d LIMIT 1) IS NOT NULL`,
		table, dayMillis, len(args)+1, len(args)+2, len(args)+3), append(args, a.origin, int64(a.began), a.added)...)
	for _, key := range known {
		delete(first, key)
	}
	return err
}

func scanFirstClick(rows *sql.Rows) (key firstClick, err error) {
	err = rows.Scan(&key.visitor, &key.link, &key.day)
	return key, err
}
