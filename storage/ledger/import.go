package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// RowError says why a row of an import cannot be taken: tracker.Invalid, or ErrExists with the field's name.
type RowError struct {
	Row int // counted from 1
	Err error
}

// maxRowErrors is how many errors an import returns.
const maxRowErrors = 100

// ImportAffiliates makes all the affiliates, in one transaction, or none: then it returns what is wrong with the first 100
// wrong rows, and no error. It calls progress, which may be nil, after each 100 rows that it has made and at the end.
func (l *Ledger) ImportAffiliates(
	ctx context.Context, network string, rows []tracker.AffiliateFields, progress func(done int),
) ([]RowError, error) {
	return l.importAffiliates(ctx, network, rows, true, progress)
}

// JudgeAffiliates says what ImportAffiliates would find wrong, and makes nothing.
func (l *Ledger) JudgeAffiliates(ctx context.Context, network string, rows []tracker.AffiliateFields) ([]RowError, error) {
	return l.importAffiliates(ctx, network, rows, false, nil)
}

func (l *Ledger) importAffiliates(
	ctx context.Context, network string, rows []tracker.AffiliateFields, keep bool, progress func(done int),
) ([]RowError, error) {
	rows, wrong := slices.Clone(rows), make([]error, len(rows))
	for i := range rows {
		wrong[i] = rows[i].Check()
	}
	return l.importRows(ctx, wrong, keep, progress, func(c *catalog, progress func(done int)) error {
		_, err := c.addAffiliates(ctx, network, rows, wrong, progress)
		return err
	})
}

// ImportLinks makes all the links in that network as AddLink does, in one transaction, or none: then it returns what is wrong
// with the first 100 wrong rows, and no error. Unlike AddLink it checks everything. It calls progress, which may be nil,
// after each 100 rows that it has made and at the end.
func (l *Ledger) ImportLinks(ctx context.Context, network string, rows []NewLink, progress func(done int)) ([]RowError, error) {
	return l.importLinks(ctx, network, rows, true, progress)
}

// JudgeLinks says what ImportLinks would find wrong, and makes nothing.
func (l *Ledger) JudgeLinks(ctx context.Context, network string, rows []NewLink) ([]RowError, error) {
	return l.importLinks(ctx, network, rows, false, nil)
}

func (l *Ledger) importLinks(
	ctx context.Context, network string, rows []NewLink, keep bool, progress func(done int),
) ([]RowError, error) {
	rows, wrong := slices.Clone(rows), make([]error, len(rows))
	for i := range rows {
		wrong[i] = rows[i].check()
	}
	return l.importRows(ctx, wrong, keep, progress, func(c *catalog, progress func(done int)) error {
		return c.importLinks(ctx, network, rows, wrong, progress)
	})
}

// importRows runs do, which notes in wrong what is wrong with a row, and keeps what it has done if nothing is and it is asked
// to.
func (l *Ledger) importRows(
	ctx context.Context, wrong []error, keep bool, progress func(done int), do func(c *catalog, progress func(done int)) error,
) ([]RowError, error) {
	if progress == nil {
		progress = quiet
	}
	var refused []RowError
	errRefused := errors.New("nothing is kept")
	err := l.change(ctx, func(c *catalog) error {
		if err := do(c, progress); err != nil {
			return err
		}
		for i, err := range wrong {
			if err != nil && len(refused) < maxRowErrors {
				refused = append(refused, RowError{i + 1, err})
			}
		}
		if len(refused) > 0 || !keep {
			return errRefused
		}
		return nil
	})
	if errors.Is(err, errRefused) {
		return refused, nil
	}
	if err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	return nil, nil
}

func (c *catalog) importLinks(
	ctx context.Context, network string, list []NewLink, wrong []error, progress func(done int),
) error {
	var affiliates, campaigns []string
	for i, n := range list {
		if wrong[i] == nil {
			affiliates, campaigns = append(affiliates, n.Affiliate), append(campaigns, n.Campaign)
		}
	}
	affiliate, err := c.named(ctx, affiliateKind, network, affiliates...)
	if err != nil {
		return err
	}
	campaign, err := c.named(ctx, campaignKind, network, campaigns...)
	if err != nil {
		return err
	}
	fields := make([]tracker.LinkFields, len(list))
	for i, n := range list {
		fields[i] = n.fields(affiliate[n.Affiliate], campaign[n.Campaign])
	}
	return c.addLinks(ctx, network, SourceAPI, fields, wrong, progress)
}

// check fills defaults, brings everything into the form in which it is kept, and says what is wrong.
func (n *NewLink) check() error {
	*n = n.filled()
	affiliate, campaign := tracker.AffiliateFields{Name: n.Affiliate}, tracker.CampaignFields{Name: n.Campaign}
	f := n.fields(1, 1) // their numbers are not known yet
	var wrong tracker.Invalid
	for _, part := range []struct {
		field string // of a name; empty: as the part calls it
		err   error
	}{{"affiliate", affiliate.Check()}, {"campaign", campaign.Check()}, {"", f.Check()}} {
		var found tracker.Invalid
		errors.As(part.err, &found)
		for _, e := range found {
			wrong.Add(cmp.Or(part.field, e.Field), e.Message)
		}
	}
	n.Affiliate, n.Campaign = affiliate.Name, campaign.Name
	n.Subdomain, n.DeepLinkHosts, n.TrainingStatus = f.Subdomain, f.DeepLinkHosts, f.TrainingStatus
	n.ContactName, n.ContactEmail, n.Organisation = f.ContactName, f.ContactEmail, f.Organisation
	return wrong.Err()
}
