package api

import (
	"net/http"
	"net/url"
	"reflect"
	"testing"
)

func TestAffiliate(t *testing.T) {
	s := newShop(t)
	user := fields{"id_from_network": "u1", "first_name": "Ada", "last_name": "L", "role": "manager", "notify_on_budgets": true,
		"email_settings": []fields{{"email_address": "ada@example.com", "use_for_notifications": true}}}
	made := s.do("POST", "affiliates", fields{
		"name": "Ada's blog", "id_from_network": "A-1", "sites": []fields{{"id_from_network": "s1", "name": "blog"}},
		"users": []fields{user}, "custom_data": fields{"tier": "gold"},
	}).want(http.StatusCreated).object()
	if made["network"] != "acme" || made["status"] != "approved" || made["custom_data"].(map[string]any)["tier"] != "gold" {
		t.Errorf("made %v", made)
	}
	path := "affiliates/" + toText(made["id"])
	if got := s.do("GET", path, nil).want(http.StatusOK).object(); !reflect.DeepEqual(got, made) {
		t.Errorf("read %v, want %v", got, made)
	}
	s.do("POST", "affiliates", fields{"name": "Ada's blog"}).wantProblem(http.StatusConflict, "exists", "name")
	s.do("POST", "affiliates", fields{"name": "Eve", "id_from_network": "A-1"}).wantProblem(http.StatusConflict, "exists", "id_from_network")
	s.do("POST", "affiliates", fields{"name": ""}).wantProblem(http.StatusUnprocessableEntity, "invalid", "name")
	s.do("POST", "affiliates", fields{"name": "B", "users": []fields{{"first_name": "x"}}}).wantProblem(http.StatusUnprocessableEntity, "invalid")

	patched := s.do("PATCH", path, fields{"status": "suspended", "custom_data": fields{"a": "b"}}).want(http.StatusOK).object()
	if patched["status"] != "suspended" || patched["name"] != "Ada's blog" || len(patched["users"].([]any)) != 1 ||
		!reflect.DeepEqual(patched["custom_data"], map[string]any{"a": "b"}) {
		t.Errorf("changed to %v", patched)
	}
	s.do("PATCH", path, fields{"users": []fields{}}).want(http.StatusOK)
	if got := s.do("GET", path, nil).object(); len(got["users"].([]any)) != 0 {
		t.Errorf("users stay in %v", got)
	}
	s.do("PATCH", path, fields{"status": "king"}).wantProblem(http.StatusUnprocessableEntity, "invalid", "status")
	s.do("PATCH", path, fields{"id": 7}).wantProblem(http.StatusUnprocessableEntity, "invalid", "id")
	s.do("PATCH", path, fields{"name": nil}).wantProblem(http.StatusUnprocessableEntity, "invalid", "name")
	s.do("PATCH", "affiliates/4711", fields{"status": "approved"}).wantProblem(http.StatusNotFound, "not-found")

	s.do("POST", "links", fields{"code": "ada", "affiliate_id": made["id"]}).want(http.StatusCreated)
	s.do("DELETE", path, nil).wantProblem(http.StatusConflict, "in-use")
	other := s.do("POST", "affiliates", fields{"name": "B"}).number("id")
	s.do("DELETE", "affiliates/"+text(other), nil).want(http.StatusNoContent)
	s.do("GET", "affiliates/"+text(other), nil).wantProblem(http.StatusNotFound, "not-found")
}

func TestWhatExistsIsNamed(t *testing.T) {
	s := newShop(t)
	path := func(r reply, list string) string { return list + "/" + text(r.want(http.StatusCreated).number("id")) }
	coupon := func(affiliate int64, codes ...string) (coupons []fields) {
		for _, code := range codes {
			coupons = append(coupons, fields{"code": code, "affiliate_id": affiliate})
		}
		return coupons
	}
	ada := s.do("POST", "affiliates", fields{"name": "Ada", "id_from_network": "A-1"}).want(http.StatusCreated).number("id")
	eve := path(s.do("POST", "affiliates", fields{"name": "Eve"}), "affiliates")
	s.do("POST", "campaigns", fields{"name": "Spring", "coupons": coupon(ada, "SPRING")}).want(http.StatusCreated)
	autumn := path(s.do("POST", "campaigns", fields{"name": "Autumn"}), "campaigns")
	s.do("POST", "links", fields{"code": "ada", "affiliate_id": ada, "subdomain": "ada"}).want(http.StatusCreated)
	link := path(s.do("POST", "links", fields{"code": "ada2", "affiliate_id": ada}), "links")
	for _, c := range []struct {
		method, path string
		body         fields
		field        string
	}{
		{"POST", "affiliates", fields{"name": "Ada"}, "name"},
		{"POST", "affiliates", fields{"name": "Ida", "id_from_network": "A-1"}, "id_from_network"},
		{"PATCH", eve, fields{"name": "Ada"}, "name"},
		{"PATCH", eve, fields{"id_from_network": "A-1"}, "id_from_network"},
		{"POST", "campaigns", fields{"name": "Spring"}, "name"},
		{"POST", "campaigns", fields{"name": "Summer", "coupons": coupon(ada, "SUMMER", "spring")}, "coupons[1].code"},
		{"PATCH", autumn, fields{"name": "Spring"}, "name"},
		{"PATCH", autumn, fields{"coupons": coupon(ada, "Spring")}, "coupons[0].code"},
		{"POST", "links", fields{"code": "ADA", "affiliate_id": ada}, "code"},
		{"POST", "links", fields{"code": "other", "affiliate_id": ada, "subdomain": "ada"}, "subdomain"},
		{"PATCH", link, fields{"subdomain": "ada"}, "subdomain"},
	} {
		got := s.do(c.method, c.path, c.body).wantProblem(http.StatusConflict, "exists", c.field)
		if n := len(got.object()["errors"].([]any)); n != 1 {
			t.Errorf("%s %s: %d errors in %s", c.method, c.path, n, got.body)
		}
	}
}

func TestListsOfAffiliates(t *testing.T) {
	s := newShop(t)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		s.do("POST", "affiliates", fields{"name": name, "status": map[bool]string{true: "applied", false: "approved"}[name < "c"]}).want(http.StatusCreated)
	}
	var seen []any
	query := url.Values{"limit": {"2"}}
	for pages := 0; ; pages++ {
		got := s.do("GET", "affiliates?"+query.Encode(), nil)
		for _, row := range got.rows() {
			seen = append(seen, row["name"])
		}
		next, more := got.object()["next"].(string)
		if (got.header.Get("Link") != "") != more {
			t.Errorf("Link is %q, next %q", got.header.Get("Link"), next)
		}
		if !more {
			break
		}
		query.Set("after", next)
		if want := "</affiliate/v1/affiliates?" + query.Encode() + `>; rel="next"`; got.header.Get("Link") != want {
			t.Errorf("Link is %q, want %q", got.header.Get("Link"), want)
		}
		if pages > 5 {
			t.Fatal("the pages do not end")
		}
	}
	if !reflect.DeepEqual(seen, []any{"a", "b", "c", "d", "e"}) {
		t.Errorf("the pages show %v", seen)
	}
	for query, want := range map[string]int{"status=applied": 2, "name=c": 1, "name=C": 0, "status=approved&name=a": 0} {
		if rows := s.do("GET", "affiliates?"+query, nil).rows(); len(rows) != want {
			t.Errorf("%s shows %d, want %d", query, len(rows), want)
		}
	}
}

func TestCampaign(t *testing.T) {
	s := newShop(t)
	affiliate := s.do("POST", "affiliates", fields{"name": "A"}).number("id")
	made := s.do("POST", "campaigns", fields{
		"name": "Spring", "window_seconds": 86400, "landing_page": "https://shop.example.com/", "duplicates": "update",
		"commissions": []fields{{"name": "default", "percent": "12.5"}, {"name": "lead", "fixed": fields{"amount": 500, "currency": "EUR"}}},
		"coupons":     []fields{{"code": "SPRING", "affiliate_id": affiliate}},
	}).want(http.StatusCreated).object()
	path := "campaigns/" + toText(made["id"])
	if got := s.do("GET", path, nil).want(http.StatusOK).object(); !reflect.DeepEqual(got, made) {
		t.Errorf("read %v, want %v", got, made)
	}
	commissions := made["commissions"].([]any)
	if commissions[0].(map[string]any)["percent"] != "12.5" || toText(made["window_seconds"]) != "86400" {
		t.Errorf("made %v", made)
	}
	for _, percent := range []any{12.5, "101", "-1", "NaN", "1e3", "12.34567"} {
		s.do("PATCH", path, fields{"commissions": []fields{{"name": "default", "percent": percent}}}).
			wantProblem(http.StatusUnprocessableEntity, "invalid", "commissions[0].percent")
	}
	if got := s.do("PATCH", path, fields{"archived": true}).want(http.StatusOK).object(); got["archived"] != true || got["name"] != "Spring" {
		t.Errorf("archived: %v", got)
	}
	for query, want := range map[string]int{"archived=true": 1, "archived=false": 0, "name=Spring": 1, "": 1} {
		if rows := s.do("GET", "campaigns?"+query, nil).rows(); len(rows) != want {
			t.Errorf("%s shows %d, want %d", query, len(rows), want)
		}
	}
	s.do("DELETE", path, nil).wantProblem(http.StatusConflict, "in-use") // it has a coupon
	s.do("PATCH", path, fields{"coupons": []fields{}}).want(http.StatusOK)
	s.do("DELETE", path, nil).want(http.StatusNoContent)
	s.do("GET", path, nil).wantProblem(http.StatusNotFound, "not-found")
}

func TestLink(t *testing.T) {
	s := newShop(t)
	made := s.do("POST", "links", fields{
		"code": "Ada", "affiliate": "Ada", "destination": "https://shop.example.com/x", "contact_email": "ada@example.com",
		"expires_at": "2027-01-01T00:00:00+01:00",
	}).want(http.StatusCreated).object()
	if made["enabled"] != true || made["live"] != true || made["affiliate"] != "Ada" || made["campaign"] != "default" ||
		made["expires_at"] != "2026-12-31T23:00:00Z" || made["source"] != "api" {
		t.Errorf("made %v", made)
	}
	path := "links/" + toText(made["id"])
	if got := s.do("GET", path, nil).want(http.StatusOK).object(); !reflect.DeepEqual(got, made) {
		t.Errorf("read %v, want %v", got, made)
	}
	s.do("POST", "links", fields{"code": "ADA", "affiliate": "Ada"}).wantProblem(http.StatusConflict, "exists", "code")
	s.do("POST", "links", fields{"code": "b", "affiliate": "Ada", "affiliate_id": made["affiliate_id"]}).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "affiliate")
	s.do("POST", "links", fields{"code": "b"}).wantProblem(http.StatusUnprocessableEntity, "invalid", "affiliate_id")
	s.do("POST", "links", fields{"code": "not a code", "affiliate": "Ada"}).wantProblem(http.StatusUnprocessableEntity, "invalid", "code")
	if off := s.do("POST", "links", fields{"code": "off", "affiliate": "Ada", "enabled": false}).want(http.StatusCreated).object(); off["enabled"] != false ||
		toText(off["affiliate_id"]) != toText(made["affiliate_id"]) {
		t.Errorf("a disabled link of the same affiliate: %v", off)
	}

	patched := s.do("PATCH", path, fields{"enabled": false, "expires_at": nil}).want(http.StatusOK).object()
	if _, expires := patched["expires_at"]; expires || patched["enabled"] != false || patched["live"] != false || patched["code"] != "Ada" {
		t.Errorf("changed to %v", patched)
	}
	s.do("PATCH", path, fields{"code": "other"}).wantProblem(http.StatusUnprocessableEntity, "invalid", "code")
	s.do("PATCH", path, fields{"affiliate": "Eve"}).wantProblem(http.StatusUnprocessableEntity, "invalid", "affiliate")
	for query, want := range map[string]int{
		"code=ADA": 1, "enabled=false": 2, "enabled=true": 0, "source=api": 2, "source=config": 0, "contact_email=ada%40example.com": 1,
		"affiliate_id=" + toText(made["affiliate_id"]): 2, "campaign_id=4711": 0, "subdomain=x": 0,
	} {
		if rows := s.do("GET", "links?"+query, nil).rows(); len(rows) != want {
			t.Errorf("%s shows %d, want %d", query, len(rows), want)
		}
	}
}

func TestToMakeAnAffiliateWithALinkNeedsItsScope(t *testing.T) {
	s := newShop(t)
	s.do("POST", "affiliates", fields{"name": "known"}).want(http.StatusCreated)
	s.key = s.books.NewKey("acme", "links:write")
	s.do("POST", "links", fields{"code": "a", "affiliate": " known "}).wantProblem(http.StatusUnprocessableEntity, "invalid", "affiliate")
	s.do("POST", "links", fields{"code": "a", "affiliate": "known"}).want(http.StatusCreated)
	s.do("POST", "links", fields{"code": "b", "affiliate": "unknown"}).wantProblem(http.StatusForbidden, "forbidden")
	s.key = s.books.NewKey("acme", "links:write", "affiliates:write")
	s.do("POST", "links", fields{"code": "b", "affiliate": "unknown"}).want(http.StatusCreated)
	s.do("POST", "links", fields{"code": "c", "affiliate": "\u0007"}).wantProblem(http.StatusUnprocessableEntity, "invalid", "affiliate")
}

func TestChangesOfTheCatalogAreToldToTheEdge(t *testing.T) {
	s := newShop(t)
	tell := func(want int64, r reply) reply {
		t.Helper()
		if got := s.changes.Swap(0); got != want {
			t.Errorf("status %d: told %d times, want %d", r.status, got, want)
		}
		return r
	}
	affiliate := text(tell(1, s.do("POST", "affiliates", fields{"name": "A"})).number("id"))
	tell(0, s.do("POST", "affiliates", fields{"name": "A"}))
	tell(0, s.do("GET", "affiliates/"+affiliate, nil))
	tell(1, s.do("PATCH", "affiliates/"+affiliate, fields{"status": "suspended"}))
	tell(1, s.do("DELETE", "affiliates/"+affiliate, nil))
	tell(0, s.do("DELETE", "affiliates/"+affiliate, nil))
	campaign := text(tell(1, s.do("POST", "campaigns", fields{"name": "A"})).number("id"))
	tell(1, s.do("PATCH", "campaigns/"+campaign, fields{"archived": true}))
	tell(1, s.do("DELETE", "campaigns/"+campaign, nil))
	link := text(tell(1, s.do("POST", "links", fields{"code": "a", "affiliate": "B"})).number("id"))
	tell(1, s.do("PATCH", "links/"+link, fields{"enabled": false}))
	tell(0, s.do("PATCH", "links/"+link, fields{"enabled": 1}))
}

func TestACommissionSaysWhatItPays(t *testing.T) {
	s := newShop(t)
	campaign := func(commission fields) fields { return fields{"name": "spring", "commissions": []fields{commission}} }
	for path, commission := range map[string]fields{
		"commissions[0].percent":        {"name": "default"},
		"commissions[0].name":           {"percent": "5"},
		"commissions[0].fixed.amount":   {"name": "default", "fixed": fields{"currency": "EUR"}},
		"commissions[0].fixed.currency": {"name": "default", "fixed": fields{"amount": 5}},
	} {
		s.do("POST", "campaigns", campaign(commission)).wantProblem(http.StatusUnprocessableEntity, "invalid", path)
	}
	s.do("POST", "campaigns", campaign(fields{"name": "default", "fixed": nil})).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "commissions[0].percent")
	id := toText(s.do("POST", "campaigns", campaign(fields{"name": "default", "percent": "0"})).want(http.StatusCreated).object()["id"])
	s.do("PATCH", "campaigns/"+id, fields{"commissions": []fields{{"name": "default"}}}).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "commissions[0].percent")
	s.do("PATCH", "campaigns/"+id, fields{"commissions": []fields{{"name": "default", "fixed": fields{"amount": 0, "currency": "EUR"}}}}).
		want(http.StatusOK)
}

func TestTheDefaultCampaignKeepsItsName(t *testing.T) {
	s := newShop(t)
	link := s.do("POST", "links", fields{"code": "one", "affiliate": "Sara"}).want(http.StatusCreated)
	path := "campaigns/" + toText(link.object()["campaign_id"])
	s.do("PATCH", path, fields{"name": "Main"}).wantProblem(http.StatusUnprocessableEntity, "invalid", "name")
	s.do("PATCH", path, fields{"name": "default", "commissions": []fields{{"name": "default", "percent": "7"}}}).want(http.StatusOK)
	again := s.do("POST", "links", fields{"code": "two", "affiliate": "Sara"}).want(http.StatusCreated)
	if again.number("campaign_id") != link.number("campaign_id") {
		t.Errorf("the next link is in another campaign: %s", again.body)
	}
}
