package query

import (
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// maxList is more than any list of an input may have.
const maxList = 1000

// decode fills an input of the SDK from the parameters of the query protocol: Tags.member.1.Key. What no member
// takes is an error, so that nothing that a client asks for is dropped. See
// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
func decode(values url.Values, input any) error {
	d := decoder{values: values, used: map[string]bool{"Action": true, "Version": true}}
	for name, all := range values {
		if len(all) > 1 {
			return validation("The parameter %s is there %d times", name, len(all))
		}
	}
	if err := d.structure(reflect.ValueOf(input).Elem(), ""); err != nil {
		return err
	}
	for name := range values {
		if !d.used[name] {
			return validation("The parameter %s is not known", name)
		}
	}
	return nil
}

type decoder struct {
	values url.Values
	used   map[string]bool
}

func (d *decoder) structure(v reflect.Value, prefix string) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		// The model's names begin in either case; Go's in upper case only.
		for _, name := range []string{field.Name, lowerFirst(field.Name)} {
			if err := d.value(v.Field(i), prefix+name); err != nil {
				return err
			}
		}
	}
	return nil
}

func lowerFirst(name string) string { return string(unicode.ToLower(rune(name[0]))) + name[1:] }

func (d *decoder) value(v reflect.Value, name string) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.Type().Elem().Kind() == reflect.Struct && v.Type().Elem() != reflect.TypeFor[time.Time]() {
			if !d.has(name + ".") {
				return nil
			}
			v.Set(reflect.New(v.Type().Elem()))
			return d.structure(v.Elem(), name+".")
		}
		if !d.values.Has(name) {
			return nil
		}
		v.Set(reflect.New(v.Type().Elem()))
		return d.scalar(v.Elem(), name)
	case reflect.Slice:
		return d.list(v, name)
	case reflect.String, reflect.Bool, reflect.Int32:
		if d.values.Has(name) {
			return d.scalar(v, name)
		}
	}
	return nil
}

func (d *decoder) has(prefix string) bool {
	for name := range d.values {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func (d *decoder) list(v reflect.Value, name string) error {
	if d.values.Get(name) == "" && d.values.Has(name) {
		d.used[name] = true // an empty list
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		return nil
	}
	for i := 1; i <= maxList; i++ {
		member := name + ".member." + strconv.Itoa(i)
		element := reflect.New(v.Type().Elem()).Elem()
		var err error
		switch {
		case element.Kind() == reflect.Struct && d.has(member+"."):
			err = d.structure(element, member+".")
		case element.Kind() == reflect.String && d.values.Has(member):
			err = d.scalar(element, member)
		default:
			return nil
		}
		if err != nil {
			return err
		}
		v.Set(reflect.Append(v, element))
	}
	return validation("The list %s has more than %d members", name, maxList)
}

func (d *decoder) scalar(v reflect.Value, name string) error {
	text := d.values.Get(name)
	d.used[name] = true
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		if text == "true" || text == "false" {
			v.SetBool(text == "true")
			return nil
		}
	case reflect.Int32:
		if number, err := strconv.ParseInt(text, 10, 32); err == nil {
			v.SetInt(number)
			return nil
		}
	}
	return validation("Value '%s' at '%s' can't be: %s is wanted", text, name, v.Kind())
}

// require wants members of an input to be set.
func require(input any, names []string) error {
	v := reflect.ValueOf(input).Elem()
	for _, name := range names {
		field := v.FieldByName(name)
		if !field.IsValid() {
			return fmt.Errorf("the input has no member %s", name)
		}
		if field.IsZero() || field.Kind() == reflect.Pointer && field.Elem().Kind() == reflect.String && field.Elem().Len() == 0 {
			return validation("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must not be null", lowerFirst(name))
		}
	}
	return nil
}

// text is a string member of an input; empty where it is not set, or there is none.
func text(input any, name string) string {
	field := reflect.ValueOf(input).Elem().FieldByName(name)
	if field.IsValid() && field.Kind() == reflect.Pointer && !field.IsNil() && field.Elem().Kind() == reflect.String {
		return field.Elem().String()
	}
	return ""
}
