package affili

import (
	"context"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Books is what the dialect asks of the ledger. What another network has is tracker.ErrNotFound.
type Books interface {
	access.Keys

	CatalogLinks(ctx context.Context, network string, f tracker.LinkFilter, p tracker.Page) ([]tracker.CatalogLink, string, error)
	Campaign(ctx context.Context, network string, id int64) (tracker.Campaign, error)
	AddSession(ctx context.Context, s tracker.BookedSession) error
	SessionsOf(ctx context.Context, network string, conversions []tracker.Conversion) ([]tracker.BookedSession, error)

	CreateConversion(ctx context.Context, n tracker.NewConversion) (answer []byte, replayed bool, err error)
	UpdateConversion(ctx context.Context, network, id string, u tracker.ConversionUpdate) (tracker.Conversion, error)
	Conversion(ctx context.Context, network, id string) (tracker.Conversion, error)
	Conversions(ctx context.Context, network string, f tracker.ConversionFilter, p tracker.Page) ([]tracker.Conversion, string, error)
	ConversionAliases(ctx context.Context, network string, ids []string) (map[string]string, error)
	AliasedConversion(ctx context.Context, network, alias string) (id string, err error)
}
