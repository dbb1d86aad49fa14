package api

import (
	"context"
	"net/http"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (a *API) affiliates() {
	register(a, operation{
		id: "list-affiliates", method: http.MethodGet, path: "affiliates", scope: "affiliates:read",
		summary: "List affiliates", about: "By id, the oldest first.", answer: List[tracker.Affiliate]{}, csv: true,
	}, a.listAffiliates)
	register(a, operation{
		id: "create-affiliate", method: http.MethodPost, path: "affiliates", scope: "affiliates:write", requires: []string{"name"},
		summary: "Add an affiliate", status: http.StatusCreated, answer: tracker.Affiliate{},
	}, a.createAffiliate)
	register(a, operation{
		id: "get-affiliate", method: http.MethodGet, path: "affiliates/{id}", scope: "affiliates:read",
		summary: "Read an affiliate", answer: tracker.Affiliate{},
	}, a.getAffiliate)
	register(a, operation{
		id: "update-affiliate", method: http.MethodPatch, path: "affiliates/{id}", scope: "affiliates:write",
		summary: "Change an affiliate", about: patchAbout, answer: tracker.Affiliate{},
	}, a.updateAffiliate)
	register(a, operation{
		id: "delete-affiliate", method: http.MethodDelete, path: "affiliates/{id}", scope: "affiliates:write", status: http.StatusNoContent,
		summary: "Delete an affiliate", about: "One that has a link, a coupon, a conversion or a customer can only be archived.",
	}, a.deleteAffiliate)
}

// patchAbout is said of every route that changes fields.
const patchAbout = "Fields that are not given stay; each that is given is replaced as a whole."

type affiliateList struct {
	Paging
	Status        tracker.AffiliateStatus `query:"status"`
	Name          string                  `query:"name"`
	IDFromNetwork string                  `query:"id_from_network"`
}

func (a *API) listAffiliates(ctx context.Context, c *call, in *affiliateList) (answer, error) {
	rows, next, err := c.books.Affiliates(ctx, c.network, tracker.AffiliateFilter{
		Status: in.Status, Name: in.Name, IDFromNetwork: in.IDFromNetwork,
	}, in.page())
	if err != nil {
		return nil, err
	}
	return listing(rows, next, affiliateColumns), nil
}

var affiliateColumns = []column[tracker.Affiliate]{
	{"id", func(a *tracker.Affiliate) any { return a.ID }},
	{"id_from_network", func(a *tracker.Affiliate) any { return a.IDFromNetwork }},
	{"name", func(a *tracker.Affiliate) any { return a.Name }},
	{"status", func(a *tracker.Affiliate) any { return string(a.Status) }},
	{"created_at", func(a *tracker.Affiliate) any { return a.CreatedAt }},
	{"updated_at", func(a *tracker.Affiliate) any { return a.UpdatedAt }},
}

func (a *API) createAffiliate(ctx context.Context, c *call, in *struct{ body[tracker.AffiliateFields] }) (answer, error) {
	affiliate, err := c.books.CreateAffiliate(ctx, c.network, in.value)
	return changed(ctx, a, http.StatusCreated, affiliate, err)
}

func (a *API) getAffiliate(ctx context.Context, c *call, in *byNumber) (answer, error) {
	affiliate, err := c.books.Affiliate(ctx, c.network, in.ID)
	return found(affiliate, err)
}

func (a *API) updateAffiliate(ctx context.Context, c *call, in *struct {
	patch[tracker.AffiliateFields]
	ID int64 `path:"id" minimum:"1"`
}) (answer, error) {
	affiliate, err := c.books.UpdateAffiliate(ctx, c.network, in.ID, in.apply)
	return changed(ctx, a, http.StatusOK, affiliate, err)
}

func (a *API) deleteAffiliate(ctx context.Context, c *call, in *byNumber) (answer, error) {
	if err := c.books.DeleteAffiliate(ctx, c.network, in.ID); err != nil {
		return nil, err
	}
	a.linksChanged(ctx)
	return nothing(), nil
}
