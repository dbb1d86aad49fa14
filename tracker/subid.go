package tracker

import "strings"

// subIDNames maps the names under which affiliate systems carry an affiliate's own marks to ours.
var subIDNames = map[string]string{
	"sub1": "sub1", "sub2": "sub2", "sub3": "sub3", "sub4": "sub4", "sub5": "sub5",
	"s1": "sub1", "s2": "sub2", "s3": "sub3", "s4": "sub4", "s5": "sub5", // CAKE
	"aff_sub": "sub1", "aff_sub1": "sub1", "aff_sub2": "sub2", "aff_sub3": "sub3", "aff_sub4": "sub4", "aff_sub5": "sub5", // TUNE
	"c1": "sub1", "c2": "sub2", "c3": "sub3", "c4": "sub4", // Prosper202
	"sub_id_1": "sub1", "sub_id_2": "sub2", "sub_id_3": "sub3", "sub_id_4": "sub4", "sub_id_5": "sub5", // Keitaro
}

// clickIDNames are the names under which networks and advertisers carry their own click's id.
var clickIDNames = map[string]bool{
	"irclickid": true,                                                      // impact.com
	"awc":       true,                                                      // Awin
	"cjevent":   true,                                                      // CJ
	"ps_xid":    true, "ps_partner_key": true, "gsxid": true, "gspk": true, // PartnerStack
	"tduid":   true,                                // Tradedoubler
	"clickid": true, "click_id": true, "cid": true, // Voluum, Binom, RedTrack and others
	"transaction_id": true, "_ef_transaction_id": true, // TUNE, Everflow
	"gclid": true, "gbraid": true, "wbraid": true, // Google
	"fbclid": true, "ttclid": true, "msclkid": true, "twclid": true, "li_fat_id": true, "rdclid": true,
}

// SubIDs returns the affiliate's own marks in a query under the names sub1 … sub5, or nil. Our names win over their aliases,
// and of several the first in the query. Values are decoded, valid UTF-8 without NUL, of at most MaxSubID bytes.
func SubIDs(rawQuery string) map[string]string {
	var found map[string]string
	own := map[string]bool{} // marks that were given under our own name
	eachMark(rawQuery, func(name, value string) {
		canonical, ok := subIDNames[name]
		if !ok {
			return
		}
		_, taken := found[canonical]
		if taken && (own[canonical] || name != canonical) {
			return
		}
		if found == nil {
			found = map[string]string{}
		}
		found[canonical] = value
		own[canonical] = name == canonical
	})
	return found
}

// ClickIDs returns the click ids of networks and advertisers in a query under their own names in lower case, or nil. Of
// several the first in the query counts. Values are as those of SubIDs.
func ClickIDs(rawQuery string) map[string]string {
	var found map[string]string
	eachMark(rawQuery, func(name, value string) {
		if _, taken := found[name]; taken || !clickIDNames[name] {
			return
		}
		if found == nil {
			found = map[string]string{}
		}
		found[name] = value
	})
	return found
}

// eachMark calls yield with the lower-case name and the decoded value of each of the first MaxParams parameters that have
// one.
func eachMark(rawQuery string, yield func(name, value string)) {
	for n := 0; n < MaxParams && rawQuery != ""; n++ {
		var name, value string
		name, value, rawQuery = cutParam(rawQuery)
		if value == "" {
			continue
		}
		text, _ := captureText(unescape(value), MaxSubID)
		if text != "" {
			yield(strings.ToLower(unescape(name)), text)
		}
	}
}
