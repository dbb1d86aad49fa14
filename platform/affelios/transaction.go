package affelios

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// maxBulk is the size in bytes of the largest bulk request, and of the largest change of a customer.
const maxBulk = 1 << 20

// report is a transaction as it was reported, on its way into the books.
type report struct {
	tracker.NewTransaction
	path        string // of its entry, such as "[3]."; empty for a request of one
	clickKey    string
	affiliateID string
}

func (s *server) createTransaction(ctx context.Context, c *call) error {
	data, err := s.readBody(c.w, c.r, access.MaxBody)
	if err != nil {
		return err
	}
	var wrong tracker.Invalid
	one := s.readTransaction("", data, &wrong)
	if err := wrong.Err(); err != nil {
		return invalid(wrong)
	}
	return c.addTransactions(ctx, []report{one})
}

// createTransactions takes a list. All of its transactions are booked before it is answered, or none is.
func (s *server) createTransactions(ctx context.Context, c *call) error {
	data, err := s.readBody(c.w, c.r, maxBulk)
	if err != nil {
		return err
	}
	var wrong tracker.Invalid
	var list []report
	err = readList(data, func(i int, entry []byte) {
		list = append(list, s.readTransaction(fmt.Sprintf("[%d].", i), entry, &wrong))
	})
	if err != nil {
		return err
	}
	if wrong.Err() != nil {
		return invalid(wrong)
	}
	return c.addTransactions(ctx, list)
}

// readTransaction reads a transaction, and notes what is wrong with it.
func (s *server) readTransaction(path string, data []byte, wrong *tracker.Invalid) report {
	before := len(*wrong)
	o, ok := s.readObject(path, data, transactionMembers, wrong)
	if !ok {
		return report{}
	}
	n := report{path: path, clickKey: o.clickKey(), affiliateID: o.text("affiliateId")}
	n.CustomerExternalID, n.CustomerBrand = o.text("externalCustomerId"), o.brand()
	at, _ := o.moment("transactionDate")
	n.TransactionFields = tracker.TransactionFields{
		ExternalID: o.text("externalId"), Type: o.text("type"), Time: at, Currency: s.Currency,
		Product: o.text("externalProductId"), Country: o.text("country"), CountryCode: o.text("country_code"),
		Category: o.text("category"), Label: o.text("label"), Note: o.text("note"),
		Deposit: o.amount("depositAmount"), GrossRevenue: o.amount("grossRevenue"), Wagered: o.amount("wageredAmount"),
		RevShareCommission: o.amount("revShareCommission"), CPACommission: o.amount("cpaCommission"),
		FixedCommission: o.amount("fixedCommission"),
	}
	if n.CustomerExternalID != "" {
		o.required("externalBrandId", n.CustomerBrand)
	} else if n.clickKey == "" {
		o.fail("externalCustomerId", "is required, since a transaction is a customer's, unless a click key names the customer")
	}
	if len(*wrong) == before {
		n.check(wrong)
	}
	return n
}

// check notes what the books would refuse.
func (n *report) check(wrong *tracker.Invalid) {
	asked := n.NewTransaction
	asked.Network = tracker.DefaultNetwork // the key's, which is none of the report's
	if asked.CustomerExternalID == "" {
		asked.CustomerExternalID = "-" // whom the click key names
	}
	var found tracker.Invalid
	if errors.As(asked.Check(), &found) {
		*wrong = append(*wrong, renamed(n.path, found)...)
	}
}

// addTransactions books the reports, all or none, and answers.
func (c *call) addTransactions(ctx context.Context, reports []report) error {
	list := make([]tracker.NewTransaction, len(reports))
	for i := range reports {
		reports[i].Network = c.key.Network
		if err := c.findCustomer(ctx, &reports[i]); err != nil {
			return err
		}
		list[i] = reports[i].NewTransaction
	}
	if err := c.books.AddTransactions(ctx, list); err != nil {
		return refusal(err, reports)
	}
	c.w.WriteHeader(http.StatusAccepted)
	return nil
}

// findCustomer finds whom a report means if it does not say by their external id, and checks whether the affiliate that it names
// is theirs: a customer is bound for ever, and their transactions are not somebody else's.
func (c *call) findCustomer(ctx context.Context, n *report) (err error) {
	if n.CustomerExternalID != "" && n.affiliateID == "" {
		return nil
	}
	var customer tracker.Customer
	if n.CustomerExternalID != "" {
		customer, err = c.books.CustomerByExternalID(ctx, n.Network, n.CustomerExternalID, n.CustomerBrand)
		if errors.Is(err, tracker.ErrNotFound) {
			return unknownCustomer(n.path)
		}
	} else if customer, err = c.broughtBy(ctx, n); err == nil {
		n.CustomerExternalID, n.CustomerBrand = customer.ExternalID, customer.Brand
	}
	if err != nil {
		return err
	}
	if n.affiliateID != "" && n.affiliateID != strconv.FormatInt(customer.AffiliateID, 10) {
		return wrongValue(n.path+"affiliateId", "is not the affiliate who brought the customer")
	}
	return nil
}

// broughtBy is the first customer whom the report's click brought.
func (c *call) broughtBy(ctx context.Context, n *report) (customer tracker.Customer, err error) {
	found, known, err := c.readKey(ctx, n.clickKey)
	if err != nil {
		return customer, err
	}
	if known {
		for _, session := range found.sessions {
			customer, err = c.books.CustomerBySession(ctx, n.Network, session)
			if !errors.Is(err, tracker.ErrNotFound) {
				return customer, err
			}
		}
	}
	return customer, wrongValue(n.path+"clickKey", "is no click that brought a customer")
}

func unknownCustomer(path string) *problem {
	return wrongValue(path+"externalCustomerId", "is no customer of the network, or not of this brand")
}

// refusal says which of the reports the books have refused.
func refusal(err error, reports []report) error {
	var entry *tracker.EntryError
	if !errors.As(err, &entry) {
		return err
	}
	path := reports[entry.Index].path
	var wrong tracker.Invalid
	switch {
	case errors.Is(err, tracker.ErrNotFound):
		return unknownCustomer(path)
	case errors.Is(err, tracker.ErrConflict):
		p := *errOtherContent
		p.Errors = map[string][]string{propertyPath(path + "externalId"): {"was reported before with other content"}}
		return &p
	case errors.As(err, &wrong):
		return invalid(renamed(path, wrong))
	}
	return err
}
