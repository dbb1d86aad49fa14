package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// subDay is what a day's sums of one sub1 have in common, in all currencies and statuses.
type subDay struct {
	day, affiliate, campaign, link int64
	sub1                           string
}

// takeClicks counts the clicks with a sub1 among the sessions of that condition, before they are blanked. Of a visitor's
// clicks on a link in a day the earliest is taken for the unique one. It may have landed late: then one sub1 has a unique
// click too many, and another too few.
func (e *eraser) takeClicks(ctx context.Context, where, value string) error {
	records, err := readAll(ctx, e.tx, "the sessions' sub-ids", scanClick, `SELECT id, network, link_id, class, time, visitor_id, sub_ids
		FROM session`+where+` AND NOT reconstructed ORDER BY time, id`, e.network, value)
	if err != nil {
		return err
	}
	first := map[firstClick]bool{}
	for _, r := range records {
		n := countsOf(r.Session)
		if key, able := firstClickOf(r.Session); able && !first[key] {
			first[key], n.uniques = true, 1
		}
		e.clicks.add(r.Session, n)
	}
	return nil
}

func scanClick(rows *sql.Rows) (Record, error) {
	var s Session
	var id, visitor, subIDs string
	var ms int64
	if err := rows.Scan(&id, &s.Network, &s.LinkID, &s.Class, &ms, &visitor, &subIDs); err != nil {
		return Record{}, err
	}
	s.Time = fromMillis(ms)
	s.Visitor, _ = tracker.ParseVisitorID(visitor) // none: zero
	var err error
	if s.ID, err = tracker.ParseSessionID(id); err != nil {
		return Record{}, err
	}
	s.SubIDs, err = parseObject(subIDs)
	return Record{Session: &s}, err
}

// moveSums moves what was counted by sub1 to where it is counted without: an affiliate may put what he likes there, an id of
// the person too. Sums in which nothing is counted any more go, since their sub1 would stay.
func (e *eraser) moveSums(ctx context.Context) error {
	if err := e.finish(ctx); err != nil {
		return err
	}
	clear(e.days)
	for s := range e.subs {
		_, err := e.tx.ExecContext(ctx, `DELETE FROM conversion_day WHERE network = $1 AND day = $2 AND affiliate_id = $3
			AND campaign_id = $4 AND link_id = $5 AND sub1 = $6 AND conversions = 0`,
			e.network, s.day, s.affiliate, s.campaign, s.link, s.sub1)
		if err == nil {
			_, err = e.tx.ExecContext(ctx, `DELETE FROM conversion_sub_day WHERE network = $1 AND day = $2 AND sub1 = $3
				AND conversions = 0`, e.network, s.day, s.sub1)
		}
		if err != nil {
			return fmt.Errorf("taking empty sums away: %w", err)
		}
	}
	for key, n := range e.clicks {
		if key.sub1 != "" { // the rest are the whole, of which those of no sub1 are what is left
			if err := e.takeSum(ctx, key, n); err != nil {
				return fmt.Errorf("counting clicks without their sub-id: %w", err)
			}
		}
	}
	return nil
}

// takeSum takes clicks out of the sum of a sub1.
func (e *eraser) takeSum(ctx context.Context, key clickKey, n clickCounts) error {
	table, where := key.table(), ` WHERE network = $1 AND day = $2 AND sub1 = $3`
	args := []any{key.network, key.day, key.sub1}
	if key.link != 0 {
		where += ` AND link_id = $4`
		args = append(args, key.link)
	}
	at := func(i int) string { return fmt.Sprintf("$%d", len(args)+i) }
	_, err := e.tx.ExecContext(ctx, `UPDATE `+table+` SET clicks = clicks - `+at(1)+`, bots = bots - `+at(2)+`,
		others = others - `+at(3)+`, uniques = CASE WHEN uniques > `+at(4)+` THEN uniques - `+at(4)+` ELSE 0 END`+where,
		append(slices.Clone(args), n.clicks, n.bots, n.others, n.uniques)...)
	if err == nil {
		_, err = e.tx.ExecContext(ctx, `DELETE FROM `+table+where+` AND clicks <= 0 AND bots <= 0 AND others <= 0`, args...)
	}
	return err
}
