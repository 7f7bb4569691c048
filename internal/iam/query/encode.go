package query

import (
	"bytes"
	"encoding/xml"
	"reflect"
	"strconv"
	"time"
)

// encode writes an output of the SDK as the query protocol's XML: members by name, lists as <member>s.
func encode(b *bytes.Buffer, output any) error {
	return writeStruct(b, reflect.ValueOf(output).Elem())
}

func writeStruct(b *bytes.Buffer, v reflect.Value) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() || field.Name == "ResultMetadata" {
			continue
		}
		if err := writeElement(b, field.Name, v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

// writeElement leaves out what is not set. Numbers and booleans without a pointer always are.
func writeElement(b *bytes.Buffer, name string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return writeElement(b, name, v.Elem())
	case reflect.Slice, reflect.Map:
		if v.IsNil() {
			return nil
		}
	case reflect.String:
		if v.Type() != reflect.TypeFor[string]() && v.Len() == 0 {
			return nil // an enumeration that is not set
		}
	}
	b.WriteString("<" + name + ">")
	if err := writeContent(b, v); err != nil {
		return err
	}
	b.WriteString("</" + name + ">")
	return nil
}

func writeContent(b *bytes.Buffer, v reflect.Value) error {
	if moment, ok := v.Interface().(time.Time); ok {
		b.WriteString(moment.UTC().Format("2006-01-02T15:04:05Z"))
		return nil
	}
	switch v.Kind() {
	case reflect.Struct:
		return writeStruct(b, v)
	case reflect.Slice:
		for i := range v.Len() {
			if err := writeElement(b, "member", v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			b.WriteString("<entry>")
			if err := writeElement(b, "key", key); err != nil {
				return err
			}
			if err := writeElement(b, "value", v.MapIndex(key)); err != nil {
				return err
			}
			b.WriteString("</entry>")
		}
	case reflect.Bool:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.Int32:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	case reflect.String:
		return xml.EscapeText(b, []byte(v.String()))
	}
	return nil
}
