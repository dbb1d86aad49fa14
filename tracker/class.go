package tracker

// Class says what a click was. The list is closed: it is a metric label and a column of the ledger.
type Class string

// The classes of a click. Only ClassHuman sets or changes a visitor's cookie; all of them are recorded.
const (
	ClassHuman        Class = "human"         // a person's navigation
	ClassRepeat       Class = "repeat"        // the visitor's own last touch again, within the repeat window
	ClassBot          Class = "bot"           // a known robot, by its user agent
	ClassPrefetch     Class = "prefetch"      // a browser that loads ahead of the person
	ClassSubresource  Class = "subresource"   // fetch, image, frame: anything that is no navigation
	ClassNoConsent    Class = "no_consent"    // a person who has not consented
	ClassInactiveLink Class = "inactive_link" // a link that is known and disabled
)

// Earns reports whether a click of the class may earn.
func (c Class) Earns() bool { return c == ClassHuman || c == ClassRepeat }

// Classes lists every class, in the order in which reports show them.
var Classes = []Class{
	ClassHuman, ClassRepeat, ClassBot, ClassPrefetch, ClassSubresource, ClassNoConsent, ClassInactiveLink,
}
