package kraken

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// AffiliateOrganisation answers affiliateOrganisation: an affiliate, by its number in the books or by the name made of it.
func (root) AffiliateOrganisation(ctx context.Context, args struct {
	ID     *whole
	Number *text
}) (*organisationNode, error) {
	c, err := callOf(ctx).field(ctx, "affiliateOrganisation", "affiliates:read")
	if err != nil {
		return nil, err
	}
	var wanted int64
	switch {
	case args.ID != nil:
		wanted = int64(*args.ID)
	case args.Number != nil:
		wanted = organisationID(string(*args.Number))
	default:
		return nil, codeIDOrNumber.fault()
	}
	if args.Number != nil && organisationID(string(*args.Number)) != wanted {
		return nil, codeNoOrganisation.fault()
	}
	affiliate, err := c.books.Affiliate(ctx, c.key.Network, wanted)
	if errors.Is(err, tracker.ErrNotFound) {
		return nil, codeNoOrganisation.fault()
	}
	if err != nil {
		return nil, faultOf(err)
	}
	return &organisationNode{affiliate}, nil
}

// numberID is one of our numbers as an ID.
func numberID(n int64) id { return id(strconv.FormatInt(n, 10)) }

const organisationPrefix = "O-"

// organisationNumber is an affiliate's number in Kraken's form O-XXXXXXXX, with hexadecimal digits.
func organisationNumber(id int64) string { return fmt.Sprintf("%s%08X", organisationPrefix, id) }

// organisationID is the inverse of organisationNumber; 0 for what it cannot have written.
func organisationID(number string) int64 {
	digits, ok := strings.CutPrefix(number, organisationPrefix)
	n, err := strconv.ParseInt(digits, 16, 64)
	if !ok || err != nil || organisationNumber(n) != number {
		return 0
	}
	return n
}

// organisationNode is Kraken's AffiliateOrganisationType. What we have no place for is custom data of the affiliate, under the
// names of Kraken's fields in snake_case.
type organisationNode struct{ affiliate tracker.Affiliate }

// ID is the field id.
func (n *organisationNode) ID() id { return numberID(n.affiliate.ID) }

// Number is the field number.
func (n *organisationNode) Number() string { return organisationNumber(n.affiliate.ID) }

// Name is the field name.
func (n *organisationNode) Name() string { return n.affiliate.Name }

// ContactEmail is the field contactEmail: of the first user, the first address that is used for notifications.
func (n *organisationNode) ContactEmail() string {
	for _, user := range n.affiliate.Users {
		for _, setting := range user.EmailSettings {
			if setting.UseForNotifications {
				return setting.EmailAddress
			}
		}
	}
	return ""
}

// SalesChannel is the field salesChannel. Kraken's sample has it in lower case with spaces, which is no value of the schema.
func (n *organisationNode) SalesChannel() *string { return n.choice("sales_channel", salesChannels) }

// SalesChannelCode is the field salesChannelCode: what is said to be, or the sales channel.
func (n *organisationNode) SalesChannelCode() *string {
	if code, ok := n.affiliate.CustomData["sales_channel_code"]; ok {
		return &code
	}
	return n.SalesChannel()
}

// DefaultAccountType is the field defaultAccountType.
func (n *organisationNode) DefaultAccountType() *string {
	return n.choice("default_account_type", accountTypes)
}

// CanRegisterBusinessMeterPoints is the field of that name, as those after it are.
func (n *organisationNode) CanRegisterBusinessMeterPoints() *bool {
	return n.truth("can_register_business_meter_points")
}

func (n *organisationNode) CanRegisterPortfolioAccounts() *bool {
	return n.truth("can_register_portfolio_accounts")
}

func (n *organisationNode) CanRegisterCustomersWithoutEmailAddress() *bool {
	return n.truth("can_register_customers_without_email_address")
}

func (n *organisationNode) SkipMeterPointAddressValidation() *bool {
	return n.truth("skip_meter_point_address_validation")
}

func (n *organisationNode) AllowAlternativePaymentMethods() *bool {
	return n.truth("allow_alternative_payment_methods")
}

func (n *organisationNode) CanRenewTariffs() *bool { return n.truth("can_renew_tariffs") }

func (n *organisationNode) CanUseIvrSupportAPI() *bool { return n.truth("can_use_ivr_support_api") }

func (n *organisationNode) IsFieldSalesOnlyProduct() *bool {
	return n.truth("is_field_sales_only_product")
}

// ourNamespace is that of the merchant's own id of an affiliate.
const ourNamespace = "id_from_network"

// References is the field references: the merchant's own id, if there is one.
func (n *organisationNode) References() *[]*referenceNode {
	references := []*referenceNode{}
	if n.affiliate.IDFromNetwork != "" {
		references = append(references, &referenceNode{n.affiliate.IDFromNetwork})
	}
	return &references
}

// referenceNode is Kraken's OrganisationReferenceType.
type referenceNode struct{ value string }

// Namespace is the field namespace.
func (n *referenceNode) Namespace() string { return ourNamespace }

// Value is the field value.
func (n *referenceNode) Value() string { return n.value }

// choice is custom data as a value of an enum, however it is spelled; nil where it is none.
func (n *organisationNode) choice(name string, values []string) *string {
	spelled := strings.ToUpper(strings.NewReplacer(" ", "_", "-", "_").Replace(n.affiliate.CustomData[name]))
	if !slices.Contains(values, spelled) {
		return nil
	}
	return &spelled
}

// truth is custom data as a Boolean; nil where it is none.
func (n *organisationNode) truth(name string) *bool {
	value, err := strconv.ParseBool(n.affiliate.CustomData[name])
	if err != nil {
		return nil
	}
	return &value
}

var salesChannels = []string{
	"DIRECT", "PRICE_COMPARISON", "TELESALES", "DIGI_TELESALES", "EVENTS", "FIELD_SALES", "AGGREGATOR", "PARTNERSHIPS",
	"NEW_TENANT", "MOVE_IN", "WORKPLACE_POP_UP", "BROKER", "PARENT_POWER", "PEOPLE_POWER", "GIFT_OF_KIT", "HIGH_REFERRER",
	"SUPPLIER_OF_LAST_RESORT", "ACQUISITION", "WORKS_WITH_OCTOPUS", "LANDLORD", "DEBT_COLLECTION_AGENCY",
}

var accountTypes = []string{
	"BUSINESS", "BUSINESS_OCCUPIER", "BUSINESS_THIRD_PARTY_BILLED", "BUSINESS_VACANT", "DOMESTIC",
	"DOMESTIC_THIRD_PARTY_BILLED", "MANAGED", "OCCUPIER", "PORTFOLIO_LEAD", "SUPPLY_POINT", "VACANT",
}
