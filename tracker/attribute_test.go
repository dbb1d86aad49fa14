package tracker

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

// books are the links that the tests' conversions know, each with a fault that its code names.
func books() map[string]*LinkTerms {
	links := map[string]*LinkTerms{}
	add := func(code, affiliate string, edit func(l *LinkTerms)) {
		id := int64(len(links) + 1)
		l := &LinkTerms{
			LinkID: id, Code: code, AffiliateID: 10 * id, Affiliate: affiliate, Status: AffiliateApproved,
			CampaignID: 100 * id, Campaign: "summer", Enabled: true,
		}
		edit(l)
		links[code] = l
	}
	add("sara", "Sara's Blog", func(*LinkTerms) {})
	add("tom", "Tom's Deals", func(*LinkTerms) {})
	add("short", "Shorty", func(l *LinkTerms) { l.Window = 36 * time.Hour })
	add("endless", "Endless", func(l *LinkTerms) { l.Window = 1000 * day })
	add("off", "Off Ltd", func(l *LinkTerms) { l.Enabled = false })
	add("over", "Over Ltd", func(l *LinkTerms) { l.ExpiresAt = testTime })
	add("ending", "Ending Ltd", func(l *LinkTerms) { l.ExpiresAt = testTime.Add(time.Millisecond) })
	add("applied", "Appy", func(l *LinkTerms) { l.Status = AffiliateApplied })
	add("suspended", "Suspy", func(l *LinkTerms) { l.Status = AffiliateSuspended })
	add("archived", "Archy", func(l *LinkTerms) { l.Archived = true })
	return links
}

func lookIn(links map[string]*LinkTerms) func(code string) *LinkTerms {
	return func(code string) *LinkTerms { return links[code] }
}

// before is a touch so long before testTime.
func before(code string, age time.Duration) Touch {
	return Touch{Session: NewSessionID(testTime.Add(-age)), Code: code, Time: testTime.Add(-age)}
}

func by(kind EvidenceKind, touches ...Touch) Claim { return Claim{Kind: kind, Touches: touches} }

func coupon(code string, link *LinkTerms) Claim {
	return Claim{Kind: EvidenceCoupon, Code: code, Link: link}
}

// couponOf is what the books say of a coupon: a link's terms without a link.
func couponOf(link *LinkTerms) *LinkTerms {
	return &LinkTerms{AffiliateID: link.AffiliateID, Affiliate: link.Affiliate, Status: link.Status, CampaignID: link.CampaignID, Campaign: link.Campaign, Archived: link.Archived}
}

func TestAttribute(t *testing.T) {
	links := books()
	sara, tom := before("sara", 3*day), before("tom", 2*day)
	tests := []struct {
		name   string
		terms  Terms
		claims []Claim
		want   string // what was considered: evidence, code, outcome
		reason string
	}{
		{
			"no evidence", Terms{}, nil, "",
			"Nobody earns it: nothing told who brought the visitor.",
		}, {
			"one click", Terms{}, []Claim{by(EvidenceToken, sara)}, "token sara won",
			"Sara's Blog earns it: the visitor's last click was 3 days before, within 30 days.",
		}, {
			"the last click", Terms{}, []Claim{by(EvidenceToken, sara, tom)}, "token tom won, token sara outranked",
			"Tom's Deals earns it: the visitor's last click was 2 days before, within 30 days.",
		}, {
			"the first click", Terms{Rule: FirstClick}, []Claim{by(EvidenceToken, sara, tom)}, "token sara won, token tom outranked",
			"Sara's Blog earns it: the visitor's first click was 3 days before, within 30 days.",
		}, {
			"the last click does not count", Terms{}, []Claim{by(EvidenceToken, sara, before("off", day))}, "token off link_not_live, token sara won",
			"Sara's Blog earns it: the visitor's last click that counts was 3 days before, within 30 days.",
		}, {
			"the first click does not count", Terms{Rule: FirstClick}, []Claim{by(EvidenceCookie, before("sara", 31*day), tom)}, "cookie sara expired, cookie tom won",
			"Tom's Deals earns it: the first click that counts in the visitor's cookie was 2 days before, within 30 days.",
		}, {
			"stronger evidence that does not count", Terms{}, []Claim{by(EvidenceToken, before("off", day)), by(EvidenceCookie, sara)}, "token off link_not_live, cookie sara won",
			"Sara's Blog earns it: the last click in the visitor's cookie was 3 days before, within 30 days.",
		}, {
			"the order of evidence, however it comes", Terms{},
			[]Claim{by(EvidenceCookie, sara), coupon("TOM10", couponOf(links["tom"])), by(EvidenceCustomer, sara), by(EvidenceSession, tom), by(EvidenceToken, sara)},
			"token sara won, session tom outranked, customer sara outranked, coupon TOM10 outranked, cookie sara outranked",
			"Sara's Blog earns it: the visitor's last click was 3 days before, within 30 days.",
		}, {
			"the session that was given", Terms{}, []Claim{by(EvidenceSession, sara), by(EvidenceCustomer, tom)}, "session sara won, customer tom outranked",
			"Sara's Blog earns it: the click of the session that was given was 3 days before, within 30 days.",
		}, {
			"the customer's session", Terms{}, []Claim{coupon("TOM10", couponOf(links["tom"])), by(EvidenceCustomer, sara)}, "customer sara won, coupon TOM10 outranked",
			"Sara's Blog earns it: the click that brought the customer was 3 days before.",
		}, {
			"a coupon", Terms{}, []Claim{coupon("TOM10", couponOf(links["tom"])), by(EvidenceCookie, sara)}, "coupon TOM10 won, cookie sara outranked",
			"Tom's Deals earns it: its coupon was used.",
		}, {
			"weaker evidence that does not count keeps its fault", Terms{}, []Claim{by(EvidenceToken, sara), coupon("<b>", nil), by(EvidenceCookie, before("tom", 40*day))},
			"token sara won, coupon <b> unknown_coupon, cookie tom expired",
			"Sara's Blog earns it: the visitor's last click was 3 days before, within 30 days.",
		}, {
			"an unknown coupon", Terms{}, []Claim{coupon("<b>", nil)}, "coupon <b> unknown_coupon",
			"Nobody earns it: the books do not know the coupon.",
		}, {
			"the coupon of one who is not approved", Terms{}, []Claim{coupon("A", couponOf(links["applied"]))}, "coupon A not_approved",
			"Nobody earns it: the coupon is of Appy, who is not approved.",
		}, {
			"the coupon of an archived campaign", Terms{}, []Claim{coupon("A", couponOf(links["archived"]))}, "coupon A campaign_archived",
			"Nobody earns it: the coupon is of Archy, whose campaign is archived.",
		}, {
			"a customer whom a coupon brought", Terms{}, []Claim{{Kind: EvidenceCustomer, Code: "TOM10", Link: couponOf(links["tom"])}, by(EvidenceCookie, sara)},
			"customer TOM10 won, cookie sara outranked",
			"Tom's Deals earns it: its coupon brought the customer.",
		}, {
			"the coupon of a customer is no more", Terms{}, []Claim{{Kind: EvidenceCustomer, Code: "A", Link: couponOf(links["suspended"])}}, "customer A not_approved",
			"Nobody earns it: the coupon is of Suspy, who is not approved.",
		}, {
			"a robot's session", Terms{}, []Claim{{Kind: EvidenceSession, Touches: []Touch{sara}, Class: ClassBot}, by(EvidenceCookie, sara)},
			"session sara wrong_class, cookie sara won",
			"Sara's Blog earns it: the last click in the visitor's cookie was 3 days before, within 30 days.",
		}, {
			"a session without consent", Terms{}, []Claim{{Kind: EvidenceSession, Touches: []Touch{sara}, Class: ClassNoConsent}},
			"session sara wrong_class",
			"Nobody earns it: the session that was given is of the class no_consent, which never earns.",
		}, {
			"an unknown session", Terms{}, []Claim{{Kind: EvidenceSession, Touches: []Touch{{Session: SessionID{1}}}, Failed: UnknownSession}}, "session  unknown_session",
			"Nobody earns it: the books do not know the session.",
		}, {
			"an unknown customer", Terms{}, []Claim{{Kind: EvidenceCustomer, Failed: UnknownCustomer}, by(EvidenceCookie, sara)}, "customer  unknown_customer, cookie sara won",
			"Sara's Blog earns it: the last click in the visitor's cookie was 3 days before, within 30 days.",
		}, {
			"a customer whom nobody brought", Terms{}, []Claim{{Kind: EvidenceCustomer, Failed: OrganicCustomer}}, "customer  organic_customer",
			"Nobody earns it: nobody brought the customer.",
		}, {
			"an unknown link", Terms{}, []Claim{by(EvidenceToken, before("<b>", day))}, "token <b> unknown_link",
			"Nobody earns it: the click was on a link that the books do not know.",
		}, {
			"a disabled link", Terms{}, []Claim{by(EvidenceToken, before("off", day))}, "token off link_not_live",
			"Nobody earns it: the click was on the link of Off Ltd, which is not live.",
		}, {
			"a link that expires now", Terms{}, []Claim{by(EvidenceToken, before("over", day))}, "token over link_not_live",
			"Nobody earns it: the click was on the link of Over Ltd, which is not live.",
		}, {
			"a link that expires in a moment", Terms{}, []Claim{by(EvidenceToken, before("ending", day))}, "token ending won",
			"Ending Ltd earns it: the visitor's last click was 1 day before, within 30 days.",
		}, {
			"an affiliate who has only applied", Terms{}, []Claim{by(EvidenceToken, before("applied", day))}, "token applied not_approved",
			"Nobody earns it: the click was on the link of Appy, who is not approved.",
		}, {
			"a suspended affiliate", Terms{}, []Claim{by(EvidenceToken, before("suspended", day))}, "token suspended not_approved",
			"Nobody earns it: the click was on the link of Suspy, who is not approved.",
		}, {
			"an archived campaign", Terms{}, []Claim{by(EvidenceToken, before("archived", day))}, "token archived campaign_archived",
			"Nobody earns it: the click was on the link of Archy, whose campaign is archived.",
		}, {
			"a customer is bound for good", Terms{}, []Claim{by(EvidenceCustomer, before("short", 12*day))}, "customer short won",
			"Shorty earns it: the click that brought the customer was 12 days before.",
		}, {
			"a click that is later", Terms{}, []Claim{by(EvidenceToken, before("sara", -clockSkew-time.Millisecond))}, "token sara in_future",
			"Nobody earns it: the click was on the link of Sara's Blog, later than what it would have earned.",
		}, {
			"several faults, each told once", Terms{},
			[]Claim{by(EvidenceToken, before("off", day), before("off", 2*day)), {Kind: EvidenceCustomer, Failed: UnknownCustomer}, coupon("x", nil)},
			"token off link_not_live, token off link_not_live, customer  unknown_customer, coupon x unknown_coupon",
			"Nobody earns it: the click was on the link of Off Ltd, which is not live; the books do not know the customer; the books do not know the coupon.",
		}, {
			"a click at the same moment", Terms{}, []Claim{by(EvidenceToken, before("sara", 0))}, "token sara won",
			"Sara's Blog earns it: the visitor's last click was less than a second before, within 30 days.",
		}, {
			"the end of the window", Terms{}, []Claim{by(EvidenceToken, before("sara", 30*day))}, "token sara won",
			"Sara's Blog earns it: the visitor's last click was 30 days before, within 30 days.",
		}, {
			"after the window", Terms{}, []Claim{by(EvidenceToken, before("sara", 30*day+time.Millisecond))}, "token sara expired",
			"Nobody earns it: the click on the link of Sara's Blog was more than 30 days before.",
		}, {
			"the terms' window", Terms{Window: 7 * day}, []Claim{by(EvidenceToken, before("sara", 8*day))}, "token sara expired",
			"Nobody earns it: the click on the link of Sara's Blog was more than 7 days before.",
		}, {
			"the link's window goes before", Terms{Window: 7 * day}, []Claim{by(EvidenceToken, before("short", 35*time.Hour))}, "token short won",
			"Shorty earns it: the visitor's last click was 1 day before, within 36 hours.",
		}, {
			"after the link's window", Terms{}, []Claim{by(EvidenceToken, before("short", 37*time.Hour))}, "token short expired",
			"Nobody earns it: the click on the link of Shorty was more than 36 hours before.",
		}, {
			"no window is longer than 400 days", Terms{Window: 1000 * day}, []Claim{by(EvidenceToken, before("endless", 401*day), before("sara", 400*day))}, "token sara won, token endless expired",
			"Sara's Blog earns it: the visitor's last click was 400 days before, within 400 days.",
		}, {
			"the same click twice in a token", Terms{}, []Claim{by(EvidenceToken, sara, sara)}, "token sara won",
			"Sara's Blog earns it: the visitor's last click was 3 days before, within 30 days.",
		}, {
			"a token without touches", Terms{}, []Claim{by(EvidenceToken, Touch{}), by(EvidenceCookie)}, "",
			"Nobody earns it: nothing told who brought the visitor.",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := Attribute(test.terms, testTime, "given", test.claims, lookIn(links))
			var considered []string
			for _, c := range d.Considered {
				considered = append(considered, fmt.Sprintf("%s %s %s", c.Evidence, c.Code, c.Outcome))
			}
			if got := strings.Join(considered, ", "); got != test.want {
				t.Errorf("considered: %s\nwant:       %s", got, test.want)
			}
			if d.Reason != test.reason {
				t.Errorf("reason: %s\nwant:   %s", d.Reason, test.reason)
			}
			if d.Consent != "given" || !d.Time.Equal(testTime) {
				t.Errorf("consent %q, time %s", d.Consent, d.Time)
			}
		})
	}
}

func TestDecisionsNameWhatWasConsidered(t *testing.T) {
	links := books()
	touch := before("short", 5*time.Hour)
	d := Attribute(Terms{Rule: "whatever"}, testTime.Add(300*time.Microsecond), "", []Claim{by(EvidenceToken, touch)}, lookIn(links))
	clicked := touch.Time
	want := Decision{
		Rule: LastClick, Time: testTime, Reason: "Shorty earns it: the visitor's last click was 5 hours before, within 36 hours.",
		Considered: []Considered{{
			Evidence: EvidenceToken, SessionID: touch.Session.String(), Code: "short", LinkID: 3, AffiliateID: 30, Affiliate: "Shorty",
			CampaignID: 300, Campaign: "summer", Time: &clicked, Window: 36 * 3600, Outcome: Won,
		}},
	}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("%+v\nwant %+v", d, want)
	}
	if d.Winner() != &d.Considered[0] {
		t.Error("the winner is another")
	}
	d = Attribute(Terms{}, testTime, "", []Claim{{Kind: EvidenceSession, Touches: []Touch{{Session: touch.Session}}, Failed: UnknownSession}}, lookIn(links))
	if c := d.Considered[0]; c.SessionID != touch.Session.String() || c.Time != nil || d.Winner() != nil {
		t.Errorf("an unknown session is kept as %+v", c)
	}
	if text, err := json.Marshal(Attribute(Terms{}, testTime, "", nil, nil)); err != nil || !strings.Contains(string(text), `"considered":[]`) {
		t.Errorf("an empty decision is %s, %v", text, err)
	}
}

// TestTies has clicks at the same moment: the later id counts as the later click, whatever the order in which they come.
func TestTies(t *testing.T) {
	low := Touch{Session: SessionID{1}, Code: "sara", Time: testTime.Add(-day)}
	high := Touch{Session: SessionID{2}, Code: "tom", Time: testTime.Add(-day)}
	for rule, want := range map[Rule]string{LastClick: "tom", FirstClick: "sara"} {
		for _, touches := range [][]Touch{{low, high}, {high, low}} {
			d := Attribute(Terms{Rule: rule}, testTime, "", []Claim{by(EvidenceToken, touches...)}, lookIn(books()))
			if winner := d.Winner(); winner == nil || winner.Code != want {
				t.Errorf("%s: %+v won, want %s", rule, winner, want)
			}
		}
	}
}

func randomClaims(random *rand.Rand, links map[string]*LinkTerms, codes []string) []Claim {
	var claims []Claim
	for _, kind := range strongest {
		if random.IntN(2) == 0 {
			continue
		}
		claim := Claim{Kind: kind}
		link := links[codes[random.IntN(len(codes))]]
		switch {
		case random.IntN(5) == 0:
			claim.Failed = []Outcome{UnknownSession, UnknownCustomer, OrganicCustomer}[random.IntN(3)]
		case link != nil && (kind == EvidenceCoupon || kind == EvidenceCustomer && random.IntN(4) == 0):
			claim.Code, claim.Link = "SAVE10", couponOf(link)
		case kind != EvidenceCoupon:
			for range random.IntN(4) {
				age := time.Duration(random.IntN(12)-2) * 6 * day
				touch := Touch{Session: SessionID{byte(random.IntN(8))}, Code: codes[random.IntN(len(codes))], Time: testTime.Add(-age)}
				claim.Touches = append(claim.Touches, touch)
			}
		}
		claims = append(claims, claim)
	}
	return claims
}

func TestAttributeIsPure(t *testing.T) {
	links := books()
	codes := []string{"nobody", "<script>"}
	for code := range links {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	random := rand.New(rand.NewPCG(7, 8))
	for range 5000 {
		terms := Terms{Rule: []Rule{LastClick, FirstClick}[random.IntN(2)], Window: time.Duration(random.IntN(3)) * 20 * day}
		claims := randomClaims(random, links, codes)
		first := Attribute(terms, testTime, "", claims, lookIn(links))
		checkDecision(t, first, links)
		if again := Attribute(terms, testTime.Local(), "", claims, lookIn(books())); !reflect.DeepEqual(first, again) {
			t.Fatalf("the same twice: %+v\n%+v", first, again)
		}
		shuffled := slices.Clone(claims)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for i := range shuffled {
			touches := slices.Clone(shuffled[i].Touches)
			random.Shuffle(len(touches), func(i, j int) { touches[i], touches[j] = touches[j], touches[i] })
			shuffled[i].Touches = touches
		}
		if again := Attribute(terms, testTime, "", shuffled, lookIn(links)); !reflect.DeepEqual(first, again) {
			t.Fatalf("in another order: %+v\n%+v", first, again)
		}
		if t.Failed() {
			t.Fatalf("%+v decided: %+v", claims, first)
		}
	}
}

// checkDecision checks what holds for every decision: at most one winner, who may earn, and nothing eligible before it.
func checkDecision(t *testing.T, d Decision, links map[string]*LinkTerms) {
	won := 0
	for _, c := range d.Considered {
		if c.Outcome != Won && c.Outcome != Outranked {
			continue
		}
		if c.Outcome == Won {
			won++
		}
		if won == 0 {
			t.Errorf("%+v is outranked by nothing before it", c)
		}
		if !mayEarn(c, d.Time, links) {
			t.Errorf("%+v is eligible", c)
		}
	}
	if won > 1 {
		t.Errorf("%d won", won)
	}
	if (won == 0) != strings.HasPrefix(d.Reason, "Nobody earns it: ") || !strings.HasSuffix(d.Reason, ".") || strings.Contains(d.Reason, "<script>") {
		t.Errorf("reason: %s", d.Reason)
	}
}

func mayEarn(c Considered, at time.Time, links map[string]*LinkTerms) bool {
	for _, l := range links {
		if l.AffiliateID != c.AffiliateID {
			continue
		}
		partners := l.Status == AffiliateApproved && !l.Archived
		if c.Time == nil {
			return partners && (c.Evidence == EvidenceCoupon || c.Evidence == EvidenceCustomer)
		}
		live := l.Enabled && (l.ExpiresAt.IsZero() || l.ExpiresAt.After(at))
		inTime := at.Sub(*c.Time) <= c.Window.Duration() || c.Evidence == EvidenceCustomer
		return partners && live && inTime && c.Time.Sub(at) <= clockSkew && c.Code == l.Code
	}
	return false
}
