package ledger

import (
	"context"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// customerName is what a merchant calls a customer.
type customerName struct{ externalID, brand string }

// nameCustomer keeps whom a report of a conversion names, where the conversion's row does not: an erasure and an export find the
// conversion by it. The report names nobody who was erased.
func (b *books) nameCustomer(ctx context.Context, c *tracker.Conversion, e tracker.Evidence) error {
	if e.CustomerExternalID != "" {
		_, err := b.tx.ExecContext(ctx, `INSERT INTO named_customer (conversion_id, external_id, brand, network)
			VALUES ($1, $2, $3, $4) ON CONFLICT (conversion_id, external_id, brand) DO NOTHING`,
			c.ID, e.CustomerExternalID, e.CustomerBrand, c.Network)
		if err != nil {
			return fmt.Errorf("keeping whom the conversion names: %w", err)
		}
	}
	if e.CustomerID == "" || e.CustomerID == c.CustomerID {
		return nil
	}
	_, err := b.tx.ExecContext(ctx, `INSERT INTO named_customer (conversion_id, external_id, brand, network)
		SELECT $1, external_id, brand, network FROM customer WHERE network = $2 AND id = $3
		ON CONFLICT (conversion_id, external_id, brand) DO NOTHING`, c.ID, c.Network, e.CustomerID)
	if err != nil {
		return fmt.Errorf("keeping whom the conversion names: %w", err)
	}
	return nil
}

// selectNamed finds the conversions whose reports named a customer whom their rows do not name.
const selectNamed = `SELECT conversion_id FROM named_customer WHERE network = $1 AND external_id = $2 AND brand = $3`

func conversionsNaming(ctx context.Context, q queryer, network string, name customerName) ([]string, error) {
	return readAll(ctx, q, "conversions of a customer", scanText, selectNamed, network, name.externalID, name.brand)
}

// sessionsNaming are the sessions that brought those conversions.
func sessionsNaming(ctx context.Context, q queryer, network string, name customerName) ([]string, error) {
	return readAll(ctx, q, "sessions of a customer", scanText, `SELECT DISTINCT session_id FROM conversion
		WHERE session_id <> '' AND id IN (`+selectNamed+`)`, network, name.externalID, name.brand)
}
