package affelios

import (
	"encoding/json"
	"slices"
)

// Customer is Affelios's customer as it answers one: the members of its reference in their order, then those that its newer
// pages add. What the books do not have is null, or what .NET writes for a value that cannot be null.
type Customer struct {
	ID                    *string       `json:"id"`
	OperatorID            *string       `json:"operatorId"` // the network
	UpdatedTs             string        `json:"updatedTs"`
	CreatedTs             *string       `json:"createdTs"`
	IsIDEmpty             bool          `json:"isIdEmpty"` // false, as all of Affelios's artefacts
	CreatedBy             *string       `json:"createdBy"` // null
	ImportID              *string       `json:"importId"`  // null
	ExternalID            *string       `json:"externalId"`
	ExternalBrandID       *string       `json:"externalBrandId"`
	Username              *string       `json:"username"`
	Country               *string       `json:"country"`
	CountryCode           *string       `json:"country_code"`
	RegisterIP            *string       `json:"registerIp"` // null: nobody says it
	ReferringURL          *string       `json:"referringUrl"`
	RegistrationDate      string        `json:"registrationDate"`
	HasDeposited          bool          `json:"hasDeposited"`
	FTDDate               *string       `json:"ftdDate"` // of the first deposit
	CPAQualified          bool          `json:"cpaQualified"`
	CPAQualificationDate  *string       `json:"cpaQualificationDate"` // of the first transaction with a CPA commission
	LifetimeRevenue       json.Number   `json:"lifetimeRevenue"`
	FirstDepositAmount    *json.Number  `json:"firstDepositAmount"`
	LifetimeDeposits      *json.Number  `json:"lifetimeDeposits"`
	LifetimeCommission    json.Number   `json:"lifetimeCommission"`
	Tracking              *Tracking     `json:"tracking"`
	Category              *string       `json:"category"`
	Label                 *string       `json:"label"`
	RevShareExcluded      bool          `json:"revShareExcluded"`
	CPAExcluded           bool          `json:"cpaExcluded"`
	Transactions          []Transaction `json:"transactions"` // null where the key may not read them
	Hidden                bool          `json:"hidden"`
	Deleted               bool          `json:"deleted"`
	LifetimeRevShareTotal json.Number   `json:"lifetimeRevShareCommission"`
	LifetimeCPATotal      json.Number   `json:"lifetimeCpaCommission"`
	LifetimeFixedTotal    json.Number   `json:"lifetimeFixedCommission"`
}

// Tracking says who brought a customer: the members of both descriptions of it.
type Tracking struct {
	ClickID              *string `json:"clickId"` // the session's id
	AffiliateID          *string `json:"affiliateId"`
	AffiliateName        *string `json:"affiliateName"`
	CampaignID           *string `json:"campaignId"`
	CampaignName         *string `json:"campaignName"`
	BrandID              *string `json:"brandId"` // the merchant's own, since the books give brands no other
	BrandName            *string `json:"brandName"`
	ProductID            *string `json:"productId"`
	ProductName          *string `json:"productName"`
	AffiliateTrackerID   *string `json:"affiliateTrackerId"`   // the link's number
	AffiliateTrackerName *string `json:"affiliateTrackerName"` // the link's code
	MediaID              *string `json:"mediaId"`
	Media                *string `json:"media"`
	CustomParameter      *string `json:"customParameter"` // the affiliate's first sub-id
	Date                 *string `json:"date"`            // of the click
	ReferringURL         *string `json:"referringUrl"`
}

// Transaction is Affelios's transaction as it stands in a customer.
type Transaction struct {
	ID                 string      `json:"id"`
	OperatorID         string      `json:"operatorId"`
	UpdatedTs          string      `json:"updatedTs"`
	CreatedTs          string      `json:"createdTs"`
	IsIDEmpty          bool        `json:"isIdEmpty"`
	CreatedBy          *string     `json:"createdBy"`
	Hidden             bool        `json:"hidden"`
	Deleted            bool        `json:"deleted"`
	ImportID           *string     `json:"importId"`
	IntegrationType    *string     `json:"integrationType"`
	CustomerID         string      `json:"customerId"`
	Type               *string     `json:"type"`
	ExternalID         string      `json:"externalId"`
	ExternalCustomerID *string     `json:"externalCustomerId"`
	ExternalBrandID    *string     `json:"externalBrandId"`
	ExternalProductID  *string     `json:"externalProductId"`
	Country            *string     `json:"country"`
	CountryCode        *string     `json:"country_code"`
	TransactionDate    string      `json:"transactionDate"`
	DepositAmount      json.Number `json:"depositAmount"`
	GrossRevenue       json.Number `json:"grossRevenue"`
	WageredAmount      json.Number `json:"wageredAmount"`
	RevShareCommission json.Number `json:"revShareCommission"`
	CPACommission      json.Number `json:"cpaCommission"`
	FixedCommission    json.Number `json:"fixedCommission"`
	Category           *string     `json:"category"`
	Label              *string     `json:"label"`
	Note               *string     `json:"note"`
}

// The members of the bodies that are taken, as Affelios documents them.
var (
	// shownMembers are those of an answer that no customer is made with. A change may repeat them, since clients send back what
	// they got; of them only category and label can be changed.
	shownMembers = []string{
		"category", "label", "id", "operatorId", "updatedTs", "createdTs", "isIdEmpty", "createdBy", "importId", "registerIp",
		"referringUrl", "hasDeposited", "ftdDate", "cpaQualified", "cpaQualificationDate", "lifetimeRevenue", "firstDepositAmount",
		"lifetimeDeposits", "lifetimeCommission", "tracking", "transactions", "hidden", "deleted", "lifetimeRevShareCommission",
		"lifetimeCpaCommission", "lifetimeFixedCommission",
	}
	customerMembers = []string{
		"brandId", "externalId", "externalBrandId", "clickId", "username", "registrationDate", "country", "country_code",
		"revShareExcluded", "cpaExcluded",
	}
	changeMembers      = append(slices.Clone(shownMembers), customerMembers...)
	transactionMembers = []string{
		"externalId", "type", "affiliateId", "clickKey", "externalCustomerId", "externalBrandId", "externalProductId",
		"transactionDate", "country", "country_code", "depositAmount", "grossRevenue", "wageredAmount", "revShareCommission",
		"cpaCommission", "fixedCommission", "category", "label", "note", "operatorId", "brandId",
	}
)
