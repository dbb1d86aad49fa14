package api

import (
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// enum is a type of text whose values are a closed list.
type enum struct {
	of, alias reflect.Type // in the document, alias stands for it
	values    []any
}

// enumOf knows the values of T.
type enumOf[T ~string] struct{}

func enumerate[T ~string](values ...T) enum {
	e := enum{of: reflect.TypeFor[T](), alias: reflect.TypeFor[enumOf[T]]()}
	for _, v := range values {
		e.values = append(e.values, string(v))
	}
	return e
}

// Schema implements huma.SchemaProvider.
func (enumOf[T]) Schema(huma.Registry) *huma.Schema {
	i := slices.IndexFunc(enums, func(e enum) bool { return e.of == reflect.TypeFor[T]() })
	return &huma.Schema{Type: huma.TypeString, Enum: enums[i].values}
}

// enums are the closed lists of the domain.
var enums = []enum{
	enumerate(tracker.AffiliateApplied, tracker.AffiliateApproved, tracker.AffiliateDeclined, tracker.AffiliateSuspended,
		tracker.AffiliateArchived),
	enumerate(tracker.RoleSuper, tracker.RoleManager, tracker.RoleMember, tracker.RoleObserver),
	enumerate(tracker.DuplicateReject, tracker.DuplicateUpdate, tracker.DuplicateNew, tracker.DuplicateMark, tracker.DuplicateIgnore),
	enumerate(tracker.TrainingNotApplicable, tracker.TrainingInTraining, tracker.TrainingQualified),
	enumerate(tracker.Classes...),
	enumerate(tracker.TypeBuy, tracker.TypeSale, tracker.TypeLead, tracker.TypeClick),
	enumerate(tracker.StatusPending, tracker.StatusApproved, tracker.StatusRejected, tracker.StatusDuplicated),
	enumerate(tracker.ChangeCreated, tracker.ChangeStatus, tracker.ChangeAmount, tracker.ChangeRefund, tracker.ChangeReversed,
		tracker.ChangePaid, tracker.ChangeRefused),
	enumerate(tracker.LastClick, tracker.FirstClick),
	enumerate(tracker.EvidenceToken, tracker.EvidenceSession, tracker.EvidenceCustomer, tracker.EvidenceCoupon, tracker.EvidenceCookie),
	enumerate(tracker.Won, tracker.Outranked, tracker.Expired, tracker.InFuture, tracker.UnknownLink, tracker.LinkNotLive,
		tracker.NotApproved, tracker.CampaignOver, tracker.WrongClass, tracker.UnknownCoupon, tracker.UnknownSession, tracker.UnknownCustomer,
		tracker.OrganicCustomer),
	enumerate(allScopes()...),
}

func allScopes() []tracker.Scope {
	scopes := []tracker.Scope{tracker.ScopeAll, tracker.ScopeRead}
	for _, resource := range tracker.Resources {
		scopes = append(scopes, tracker.Scope(resource+":read"))
		if resource != "reports" {
			scopes = append(scopes, tracker.Scope(resource+":write"))
		}
	}
	return scopes
}

func describeEnums(schemas huma.Registry) {
	for _, e := range enums {
		schemas.RegisterTypeAlias(e.of, e.alias)
	}
	schemas.RegisterTypeAlias(rawType, reflect.TypeFor[map[string]any]()) // meta data, which is an object
}
