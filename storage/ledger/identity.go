package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// identity is what a conversion is known by, for ever.
type identity struct {
	network, externalID string
	kind                tracker.ConversionType
	source              string
}

func identityOf(n *tracker.NewConversion) identity {
	return identity{n.Network, n.ExternalID, n.Type, n.Source}
}

// args are the values of the identity's columns, network, external_id, type and source, and what follows them.
func (id identity) args(more ...any) []any {
	return append([]any{id.network, id.externalID, string(id.kind), id.source}, more...)
}

// know makes the identity with that number of conversions, unless the ledger knows it already; then known is true. Whoever
// makes the same one waits until this transaction ends.
func (b *books) know(ctx context.Context, id identity, repeats int) (known bool, err error) {
	done, err := b.tx.ExecContext(ctx, `INSERT INTO conversion_identity (network, external_id, type, source, repeats)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (network, external_id, type, source) DO NOTHING`, id.args(repeats)...)
	if err != nil {
		return false, fmt.Errorf("making the conversion's identity: %w", err)
	}
	n, err := done.RowsAffected()
	return n == 0, err
}

// lock locks an identity that is known, so that what happens to its conversions happens one after the other, and returns how
// many it has.
func (b *books) lock(ctx context.Context, id identity) (repeats int, err error) {
	err = b.tx.QueryRowContext(ctx, `UPDATE conversion_identity SET repeats = repeats
		WHERE network = $1 AND external_id = $2 AND type = $3 AND source = $4 RETURNING repeats`, id.args()...).Scan(&repeats)
	if err != nil {
		return 0, fmt.Errorf("locking the conversion's identity: %w", err)
	}
	return repeats, nil
}

func (b *books) setRepeats(ctx context.Context, id identity, repeats int) error {
	_, err := b.tx.ExecContext(ctx, `UPDATE conversion_identity SET repeats = $5
		WHERE network = $1 AND external_id = $2 AND type = $3 AND source = $4`, id.args(repeats)...)
	if err != nil {
		return fmt.Errorf("counting the conversion's repeats: %w", err)
	}
	return nil
}

// again answers a report of an identity that is known. That of a report with the same content never changes, so it is looked
// for before anything is locked.
func (b *books) again(ctx context.Context, n tracker.NewConversion, id identity, hash string) (reported, error) {
	answer, err := answerTo(ctx, b.tx, id, hash)
	if err != nil || answer != nil {
		return reported{answer: answer, replayed: true}, err
	}
	repeats, err := b.lock(ctx, id)
	if err != nil {
		return reported{}, err
	}
	if repeats == 0 { // only refunds came
		if err := b.setRepeats(ctx, id, 1); err != nil {
			return reported{}, err
		}
		return b.create(ctx, n, hash, 0, true)
	}
	if answer, err = answerTo(ctx, b.tx, id, hash); err != nil || answer != nil { // another was first
		return reported{answer: answer, replayed: true}, err
	}
	return b.differs(ctx, n, id, hash, repeats)
}

// differs answers a report of an identity that has conversions, none of them with that content.
func (b *books) differs(ctx context.Context, n tracker.NewConversion, id identity, hash string, repeats int) (reported, error) {
	first, answer, err := b.first(ctx, id)
	if err != nil {
		return reported{}, err
	}
	policy, err := b.policy(ctx, n, first.CampaignID)
	if err != nil {
		return reported{}, err
	}
	switch policy {
	case tracker.DuplicateIgnore:
		return reported{answer: answer, replayed: true}, nil
	case tracker.DuplicateNew, tracker.DuplicateMark:
		if policy == tracker.DuplicateMark {
			n.Status = tracker.StatusDuplicated
		}
		if err := b.setRepeats(ctx, id, repeats+1); err != nil {
			return reported{}, err
		}
		return b.create(ctx, n, hash, repeats, policy == tracker.DuplicateNew)
	case tracker.DuplicateUpdate:
		if mayTakeOver(first, n) {
			return b.takeOver(ctx, n, hash, first)
		}
	}
	return reported{refusal: tracker.ErrConflict}, b.noteRefused(ctx, first, n.Actor)
}

// mayTakeOver reports whether the first conversion may take a later report's content: never when it is paid or was ever taken
// back, not even where a person has given it an amount again since, as former versions let them.
func mayTakeOver(first *bookedConversion, n tracker.NewConversion) bool {
	reversed := slices.ContainsFunc(first.History, func(e tracker.Change) bool { return e.Kind == tracker.ChangeReversed })
	return !first.IsClosed && !reversed && first.Currency == n.Currency
}

// answerTo returns the answer to the report with that content, or nil if there was none. With content that was erased, on
// either side, there is nothing to compare: it is taken for the same, so that nothing counts twice.
func answerTo(ctx context.Context, q queryer, id identity, hash string) ([]byte, error) {
	answers, err := readAll(ctx, q, "an earlier report", scanText, `SELECT e.answer
		FROM conversion c JOIN conversion_change e ON e.conversion_id = c.id
		WHERE c.network = $1 AND c.external_id = $2 AND c.type = $3 AND c.source = $4
		AND (e.hash IN ($5, 'erased') OR $5 = 'erased' AND e.hash <> '')
		ORDER BY e.hash = 'erased', c.repeat, e.n LIMIT 1`, id.args(hash)...)
	if err != nil || len(answers) == 0 {
		return nil, err
	}
	return []byte(answers[0]), nil
}

// first returns the first conversion of the identity, with the answer to its report.
func (b *books) first(ctx context.Context, id identity) (c *bookedConversion, answer []byte, err error) {
	c, err = b.read(ctx, `c.network = $1 AND c.external_id = $2 AND c.type = $3 AND c.source = $4 AND c.repeat = 0`, id.args()...)
	if err != nil {
		return nil, nil, err
	}
	err = b.tx.QueryRowContext(ctx, `SELECT answer FROM conversion_change WHERE conversion_id = $1 AND n = 1`, c.ID).Scan(&answer)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the first report's answer: %w", err)
	}
	return c, answer, nil
}

// policy is what becomes of a report with other content: what it says itself, or else the first conversion's campaign. What
// strangers can report is refused.
func (b *books) policy(ctx context.Context, n tracker.NewConversion, campaign int64) (tracker.DuplicatePolicy, error) {
	if n.Source == tracker.SourceBlock || n.Source == tracker.SourcePixel {
		return tracker.DuplicateReject, nil // anybody can write the URL behind them, as often as they like
	}
	if n.Duplicates != "" || campaign == 0 {
		return n.Duplicates, nil
	}
	var policy tracker.DuplicatePolicy
	err := b.tx.QueryRowContext(ctx, `SELECT duplicates FROM campaign WHERE network = $1 AND id = $2`, n.Network, campaign).
		Scan(&policy)
	if err != nil && !errors.Is(err, sql.ErrNoRows) { // no campaign, no policy: the default
		return "", fmt.Errorf("reading the duplicate policy: %w", err)
	}
	return policy, nil
}

// takeOver gives the first conversion the content of a later report. What refunds have taken they keep, and those that wait take
// their part. Who made it, and what evidence decided, stays, and so does the status; but what a person has approved is not what
// an edge or a postback says now without approving it, so a person has to look again.
func (b *books) takeOver(ctx context.Context, n tracker.NewConversion, hash string, c *bookedConversion) (reported, error) {
	erased, err := b.tellsOfErased(ctx, n.Network, n.Evidence)
	if err != nil {
		return reported{}, err
	}
	if erased {
		n.Coupon, n.Name, n.MetaData, hash = c.Coupon, "", nil, erasedHash
		if err := blankRefunds(ctx, b.tx, &c.Conversion); err != nil { // those that wait are about to be taken
			return reported{}, err
		}
	} else if err := b.nameCustomer(ctx, &c.Conversion, n.Evidence); err != nil {
		return reported{}, err
	}
	before := c.Conversion
	unseen := n.Actor == tracker.ActorEdge || n.Source == tracker.SourcePostback // by whoever keeps the books
	if unseen && c.Status == tracker.StatusApproved && n.Status != tracker.StatusApproved {
		c.change(b.now, tracker.Change{
			Kind: tracker.ChangeStatus, Note: "reported again with other content, which nobody has approved", Actor: n.Actor,
		}, func() { c.Status = tracker.StatusPending })
	}
	c.change(b.now, tracker.Change{Kind: tracker.ChangeAmount, Note: "reported again with other content", Actor: n.Actor}, func() {
		refunded := c.refunded()
		c.setParts(n.Commissions)
		c.take(refunded)
		c.Coupon, c.Name, c.MetaData = n.Coupon, n.Name, n.MetaData
	})
	entry := len(c.History)
	if err := b.takeWaiting(ctx, c); err != nil {
		return reported{}, err
	}
	answer, err := json.Marshal(c.shown())
	if err != nil {
		return reported{}, fmt.Errorf("writing the answer: %w", err)
	}
	return reported{answer: answer}, b.update(ctx, &before, c, keptReport{entry, hash, answer})
}

// maxRefused is how many refused reports a conversion's history notes, so that a reporter who never gives up fills no disk.
const maxRefused = 20

// noteRefused notes in the first conversion's history that a report with other content was not taken.
func (b *books) noteRefused(ctx context.Context, c *bookedConversion, actor string) error {
	refused := 0
	for _, e := range c.History {
		if e.Kind == tracker.ChangeRefused {
			refused++
		}
	}
	if refused >= maxRefused {
		return nil
	}
	c.change(b.now, tracker.Change{
		Kind: tracker.ChangeRefused, Note: "reported again with other content, which was not taken", Actor: actor,
	}, func() {})
	return b.insertChanges(ctx, c, keptReport{})
}
