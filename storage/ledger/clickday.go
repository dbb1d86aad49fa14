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

// clickKey is a row of click_day, or, with a sub-id, of click_sub_day.
type clickKey struct {
	network string
	day     int64
	link    int64
	sub1    string
}

// clickCounts are clicks as reports tell them apart.
type clickCounts struct{ clicks, uniques, bots, others int64 }

func (c clickCounts) plus(o clickCounts) clickCounts {
	return clickCounts{c.clicks + o.clicks, c.uniques + o.uniques, c.bots + o.bots, c.others + o.others}
}

func (c clickCounts) minus(o clickCounts) clickCounts {
	return clickCounts{c.clicks - o.clicks, c.uniques - o.uniques, c.bots - o.bots, c.others - o.others}
}

// count adds sessions that have landed. Those that only a token told of are none.
func (c clickSums) count(records []Record, first map[firstClick]tracker.SessionID) {
	for _, r := range records {
		s := r.Session
		if s.Reconstructed {
			continue
		}
		var one clickCounts
		switch s.Class {
		case tracker.ClassHuman, tracker.ClassRepeat:
			one.clicks = 1
		case tracker.ClassBot, tracker.ClassPrefetch, tracker.ClassSubresource:
			one.bots = 1
		default:
			one.others = 1
		}
		if key, able := firstClickOf(s); able && first[key] == s.ID {
			one.uniques = 1
		}
		key := clickKey{network: s.Network, day: dayOf(s.Time), link: s.LinkID}
		c[key] = c[key].plus(one)
		if key.sub1 = harmless(s.SubIDs["sub1"], tracker.MaxSubID); key.sub1 != "" {
			c[key] = c[key].plus(one)
		}
	}
}

// write moves the sums. All who do so take the rows in one order, so that none waits for another who waits for it.
func (c clickSums) write(ctx context.Context, l *Ledger, tx *sql.Tx) error {
	keys := slices.SortedFunc(maps.Keys(c), func(a, b clickKey) int {
		return cmp.Or(strings.Compare(a.network, b.network), cmp.Compare(a.day, b.day), cmp.Compare(a.link, b.link),
			strings.Compare(a.sub1, b.sub1))
	})
	whole := slices.DeleteFunc(slices.Clone(keys), func(k clickKey) bool { return k.sub1 != "" })
	parts := slices.DeleteFunc(keys, func(k clickKey) bool { return k.sub1 == "" })
	for _, rows := range []Rows{c.rows("click_day", whole), c.rows("click_sub_day", parts)} {
		if rows.Len == 0 {
			continue
		}
		if _, err := l.db.Insert(ctx, tx, rows); err != nil {
			return fmt.Errorf("counting clicks: %w", err)
		}
	}
	return nil
}

// rows lays the sums of those keys out by column.
func (c clickSums) rows(table string, keys []clickKey) Rows {
	n := len(keys)
	network, sub1, day, link := make([]string, n), make([]string, n), make([]int64, n), make([]int64, n)
	clicks, uniques, bots, others := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i, k := range keys {
		network[i], day[i], link[i], sub1[i] = k.network, k.day, k.link, k.sub1
		clicks[i], uniques[i], bots[i], others[i] = c[k].clicks, c[k].uniques, c[k].bots, c[k].others
	}
	rows := Rows{
		Table: table, Key: "network, day, link_id", Len: n,
		Columns: []Column{
			{Name: "network", Text: network}, {Name: "day", Int: day}, {Name: "link_id", Int: link},
			{Name: "clicks", Int: clicks}, {Name: "uniques", Int: uniques}, {Name: "bots", Int: bots}, {Name: "others", Int: others},
		},
		Conflict: strings.ReplaceAll(`UPDATE SET clicks = t.clicks + excluded.clicks, uniques = t.uniques + excluded.uniques,
			bots = t.bots + excluded.bots, others = t.others + excluded.others`, "t.", table+"."),
	}
	if table == "click_sub_day" {
		rows.Key += ", sub1"
		rows.Columns = append(rows.Columns, Column{Name: "sub1", Text: sub1})
	}
	return rows
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

// firstClicks returns the sessions that are the first of their visitor on their link in their day, before they are inserted.
func (a *applier) firstClicks(ctx context.Context, records []Record) (map[firstClick]tracker.SessionID, error) {
	first := make(map[firstClick]tracker.SessionID, len(records))
	keys := make([]firstClick, 0, len(records))
	for _, r := range records {
		key, able := firstClickOf(r.Session)
		if _, earlier := first[key]; able && !earlier {
			first[key] = r.Session.ID
			keys = append(keys, key)
		}
	}
	return first, a.leaveOutKnown(ctx, keys, first)
}

// leaveOutKnown deletes from first those of the keys of which the ledger has a click. It asks for each in a way that every
// planner answers from session_visitor, whatever it believes of the table's size, and from one entry of it, however often
// the visitor has clicked.
func (a *applier) leaveOutKnown(ctx context.Context, keys []firstClick, first map[firstClick]tracker.SessionID) error {
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
			AND s.time >= v.day * %[2]d AND s.time < (v.day + 1) * %[2]d
			AND s.class = 'human' AND NOT s.reconstructed LIMIT 1) IS NOT NULL`, table, dayMillis), args...)
	for _, key := range known {
		delete(first, key)
	}
	return err
}

func scanFirstClick(rows *sql.Rows) (key firstClick, err error) {
	err = rows.Scan(&key.visitor, &key.link, &key.day)
	return key, err
}
