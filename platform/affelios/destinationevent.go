package affelios

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// NewCustomer is the body of a new customer: what Affelios documents, without its own brandId.
type NewCustomer struct {
	ExternalID       string  `json:"externalId"`
	ExternalBrandID  string  `json:"externalBrandId"`
	ClickID          *string `json:"clickId,omitempty"` // the click key; absent where there is none
	Username         *string `json:"username"`
	RegistrationDate string  `json:"registrationDate"` // ISO 8601 in UTC
	Country          *string `json:"country"`
	CountryCode      *string `json:"country_code"`
	RevShareExcluded bool    `json:"revShareExcluded"`
	CPAExcluded      bool    `json:"cpaExcluded"`
}

// CustomerChange is the body of a change: all that may be said of a customer again. A text that was taken out is empty.
type CustomerChange struct {
	ExternalID       string `json:"externalId"`
	ExternalBrandID  string `json:"externalBrandId"`
	Username         string `json:"username"`
	RegistrationDate string `json:"registrationDate"`
	Country          string `json:"country"`
	CountryCode      string `json:"country_code"`
	RevShareExcluded bool   `json:"revShareExcluded"`
	CPAExcluded      bool   `json:"cpaExcluded"`
	Category         string `json:"category"`
	Label            string `json:"label"`
}

// NewTransaction is the body of a transaction. Amounts that are zero are absent: nothing of that kind has moved.
type NewTransaction struct {
	ExternalID         string      `json:"externalId"`
	Type               string      `json:"type,omitempty"`
	ExternalCustomerID string      `json:"externalCustomerId"`
	ExternalBrandID    string      `json:"externalBrandId"`
	ExternalProductID  string      `json:"externalProductId,omitempty"`
	TransactionDate    string      `json:"transactionDate"`
	Country            string      `json:"country,omitempty"`
	CountryCode        string      `json:"country_code,omitempty"`
	DepositAmount      json.Number `json:"depositAmount,omitempty"`
	GrossRevenue       json.Number `json:"grossRevenue,omitempty"`
	WageredAmount      json.Number `json:"wageredAmount,omitempty"`
	RevShareCommission json.Number `json:"revShareCommission,omitempty"`
	CPACommission      json.Number `json:"cpaCommission,omitempty"`
	FixedCommission    json.Number `json:"fixedCommission,omitempty"`
	Category           string      `json:"category,omitempty"`
	Label              string      `json:"label,omitempty"`
	Note               string      `json:"note,omitempty"`
}

// errBrand is not for ever: the option may be set.
var errBrand = errors.New("the customer has no brand, which Affelios requires; the option brand names one for those")

// brandOf is the externalBrandId of a customer.
func (d *Destination) brandOf(c *tracker.Customer) (string, error) {
	brand := cmp.Or(c.Brand, d.Brand)
	if brand == "" {
		return "", errBrand
	}
	return brand, nil
}

func (d *Destination) newCustomer(e *tracker.Event) (NewCustomer, error) {
	c := e.Customer
	brand, err := d.brandOf(c)
	return NewCustomer{
		ExternalID: c.ExternalID, ExternalBrandID: brand, ClickID: nullable(d.clickKey(e.Session)), Username: nullable(c.Username),
		RegistrationDate: zulu(c.RegisteredAt), Country: nullable(c.Country), CountryCode: nullable(c.CountryCode),
		RevShareExcluded: c.RevShareExcluded, CPAExcluded: c.CPAExcluded,
	}, err
}

func (d *Destination) change(e *tracker.Event) (CustomerChange, error) {
	c := e.Customer
	brand, err := d.brandOf(c)
	return CustomerChange{
		ExternalID: c.ExternalID, ExternalBrandID: brand, Username: c.Username, RegistrationDate: zulu(c.RegisteredAt), Country: c.Country,
		CountryCode: c.CountryCode, RevShareExcluded: c.RevShareExcluded, CPAExcluded: c.CPAExcluded, Category: c.Category, Label: c.Label,
	}, err
}

// clickKey is what Affelios has put into the URL by which the customer came; empty where it is none of its clicks. No other one is
// ever made up.
func (d *Destination) clickKey(s *tracker.BookedSession) string {
	if s == nil {
		return ""
	}
	query, _ := url.ParseQuery(s.Query) // what can be read of it
	for _, wanted := range d.ClickKeys {
		for name, values := range query {
			if strings.EqualFold(name, wanted) && values[0] != "" {
				return values[0]
			}
		}
	}
	return ""
}

func (d *Destination) newTransaction(e *tracker.Event) (NewTransaction, error) {
	t := e.Transaction
	if t.Currency != d.Currency {
		return NewTransaction{}, forward.Permanent(errors.New("the transaction is in another currency than the platform's"))
	}
	brand, err := d.brandOf(e.Customer)
	return NewTransaction{
		ExternalID: t.ExternalID, Type: t.Type, ExternalCustomerID: e.Customer.ExternalID, ExternalBrandID: brand,
		ExternalProductID: t.Product, TransactionDate: zulu(t.Time), Country: t.Country, CountryCode: t.CountryCode,
		DepositAmount: d.number(t.Deposit), GrossRevenue: d.number(t.GrossRevenue), WageredAmount: d.number(t.Wagered),
		RevShareCommission: d.number(t.RevShareCommission), CPACommission: d.number(t.CPACommission),
		FixedCommission: d.number(t.FixedCommission), Category: t.Category, Label: t.Label, Note: t.Note,
	}, err
}

// number writes minor units as a number of major ones; of zero nothing.
func (d *Destination) number(amount int64) json.Number {
	if amount == 0 {
		return ""
	}
	return json.Number(tracker.FormatAmount(amount, d.Currency))
}

// zulu is a time as Affelios asks for it.
func zulu(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z") }
