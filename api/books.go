package api

import (
	"context"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Books is what the API asks of the ledger. Everything belongs to a network: what another one has is tracker.ErrNotFound.
// Values that break rules are tracker.Invalid, with the paths that the API's bodies have.
type Books interface {
	CreateAffiliate(ctx context.Context, network string, f tracker.AffiliateFields) (tracker.Affiliate, error)
	Affiliate(ctx context.Context, network string, id int64) (tracker.Affiliate, error)
	Affiliates(ctx context.Context, network string, f tracker.AffiliateFilter, p tracker.Page) ([]tracker.Affiliate, string, error)
	UpdateAffiliate(ctx context.Context, network string, id int64, change func(*tracker.AffiliateFields) error) (tracker.Affiliate, error)
	DeleteAffiliate(ctx context.Context, network string, id int64) error

	CreateCampaign(ctx context.Context, network string, f tracker.CampaignFields) (tracker.Campaign, error)
	Campaign(ctx context.Context, network string, id int64) (tracker.Campaign, error)
	Campaigns(ctx context.Context, network string, f tracker.CampaignFilter, p tracker.Page) ([]tracker.Campaign, string, error)
	UpdateCampaign(ctx context.Context, network string, id int64, change func(*tracker.CampaignFields) error) (tracker.Campaign, error)
	DeleteCampaign(ctx context.Context, network string, id int64) error

	CreateLink(ctx context.Context, network string, f tracker.LinkFields) (tracker.CatalogLink, error)
	CatalogLink(ctx context.Context, network string, id int64) (tracker.CatalogLink, error)
	CatalogLinks(ctx context.Context, network string, f tracker.LinkFilter, p tracker.Page) ([]tracker.CatalogLink, string, error)
	UpdateLink(ctx context.Context, network string, id int64, change func(*tracker.LinkFields) error) (tracker.CatalogLink, error)

	FindSession(ctx context.Context, network string, id tracker.SessionID) (tracker.BookedSession, error)
	FindSessions(ctx context.Context, network string, f tracker.SessionFilter, p tracker.Page) ([]tracker.BookedSession, string, error)

	CreateCustomer(ctx context.Context, n tracker.NewCustomer) (answer []byte, replayed bool, err error)
	Customer(ctx context.Context, network, id string) (tracker.Customer, error)
	Customers(ctx context.Context, network string, f tracker.CustomerFilter, p tracker.Page) ([]tracker.Customer, string, error)
	UpdateCustomer(ctx context.Context, network, id string, change func(*tracker.CustomerFields) error) (tracker.Customer, error)

	AddTransaction(ctx context.Context, n tracker.NewTransaction) (answer []byte, replayed bool, err error)
	Transaction(ctx context.Context, network, id string) (tracker.Transaction, error)
	Transactions(ctx context.Context, network string, f tracker.TransactionFilter, p tracker.Page) ([]tracker.Transaction, string, error)

	CreateConversion(ctx context.Context, n tracker.NewConversion) (answer []byte, replayed bool, err error)
	Refunds(ctx context.Context, network string, f tracker.RefundFilter, p tracker.Page) ([]tracker.Refund, string, error)
	Refund(ctx context.Context, network, id string) (tracker.Refund, error)
	WithdrawRefund(ctx context.Context, network, id string) error
	RefundConversion(ctx context.Context, n tracker.NewRefund) (answer []byte, replayed bool, err error)
	ReverseConversion(ctx context.Context, network, id, note, actor string) (tracker.Conversion, error)
	UpdateConversion(ctx context.Context, network, id string, u tracker.ConversionUpdate) (tracker.Conversion, error)
	Conversion(ctx context.Context, network, id string) (tracker.Conversion, error)
	Conversions(ctx context.Context, network string, f tracker.ConversionFilter, p tracker.Page) ([]tracker.Conversion, string, error)

	CreateKey(ctx context.Context, k tracker.Key) error
	Keys(ctx context.Context, network string) ([]tracker.Key, error)
	RevokeKey(ctx context.Context, network, id string) (tracker.Key, error)
	KeyByID(ctx context.Context, id string) (tracker.Key, error)
	KeyUsed(ctx context.Context, id string, at time.Time) error

	Deliveries(ctx context.Context, network string, f tracker.DeliveryFilter, p tracker.Page) ([]tracker.Delivery, string, error)
	Delivery(ctx context.Context, network, id string) (tracker.Delivery, error)
	RetryDeliveries(ctx context.Context, network string, f tracker.DeliveryFilter) (int64, error)
	PauseDestination(ctx context.Context, network, name string, paused bool) error
	DestinationNames(ctx context.Context, network string) ([]string, error)
	DropDeliveries(ctx context.Context, network, destination string) (int64, error)
	DestinationState(ctx context.Context, network, name string) (tracker.DestinationState, error)

	Report(ctx context.Context, network string, q tracker.ReportQuery) ([]tracker.ReportRow, error)

	Erase(ctx context.Context, network string, s tracker.Subject) (tracker.Erasure, error)
	Export(ctx context.Context, network string, s tracker.Subject, yield func(kind string, object any) error) error
}
