package sdp

import (
	"iter"
	"slices"
	"strings"
)

// An Attribute is an a= line (RFC 8866, section 5.13).
type Attribute struct {
	Key string // without ':'; empty only for the line "a=" that has nothing at all
	// Value follows the first ':', verbatim with any leading space. It is empty for an attribute
	// without a value, such as a=rtcp-mux.
	Value string
	// EmptyValue is set for the line "a=key:" that has a ':' and nothing behind it, which the
	// grammar does not allow but which is kept. It means nothing where Value is not empty.
	EmptyValue bool
}

// Attributes are the a= lines of the session part or of a section, in their order.
//
// In a [Description] and a [MediaDescription] they are only the lines that have no field of their
// own: set the field in place of those, or Validate will refuse the description. The methods of
// package slices change them in other ways.
type Attributes []Attribute

// Get returns the value of the first attribute with the key, and whether there is one.
func (a Attributes) Get(key string) (value string, ok bool) {
	for i := range a {
		if a[i].Key == key {
			return a[i].Value, true
		}
	}
	return "", false
}

// All returns the values of all attributes with the key, in their order.
func (a Attributes) All(key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range a {
			if a[i].Key == key && !yield(a[i].Value) {
				return
			}
		}
	}
}

// Has reports whether there is an attribute with the key, whatever its value. Spaces behind the key
// at the end of its line are ignored.
func (a Attributes) Has(key string) bool {
	for i := range a {
		if a[i].Key == key || strings.HasPrefix(a[i].Key, key) && a[i].trimmed().Key == key {
			return true
		}
	}
	return false
}

// Add appends an attribute. The value "" makes an attribute without a value, such as a=rtcp-mux.
func (a *Attributes) Add(key, value string) {
	*a = append(*a, Attribute{Key: key, Value: value})
}

// Set makes the value that of the only attribute with the key, which stays where the first one is
// or is appended. The value "" makes an attribute without a value.
func (a *Attributes) Set(key, value string) {
	first := slices.IndexFunc(*a, func(b Attribute) bool { return b.Key == key })
	if first < 0 {
		a.Add(key, value)
		return
	}
	(*a)[first] = Attribute{Key: key, Value: value}
	behind := (*a)[first+1:]
	behind.Delete(key)
	*a = (*a)[:first+1+len(behind)]
}

// Delete removes all attributes with the key and reports whether there were any.
func (a *Attributes) Delete(key string) bool {
	n := len(*a)
	*a = slices.DeleteFunc(*a, func(b Attribute) bool { return b.Key == key })
	return len(*a) < n
}

// trimmed returns the attribute without spaces that follow its name at the end of the line.
func (a Attribute) trimmed() Attribute {
	if strings.HasSuffix(a.Key, " ") && a.Value == "" && !a.EmptyValue {
		a.Key = strings.TrimRight(a.Key, " ")
	}
	return a
}
