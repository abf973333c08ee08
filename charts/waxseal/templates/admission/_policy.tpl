{{- /* A policy on what the operator writes, and its binding: (dict "root" . "name" "roles" "rules" <matching rules> "variables" <...> "validations" <...>),
the last three as YAML. Everybody else is left alone. */}}
{{- define "waxseal.admission.policy" -}}
{{- $name := printf "%s-operator-%s" (include "waxseal.clusterName" .root) .name -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ $name }}
  labels:
    {{- include "waxseal.labels" (list .root "operator") | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      {{- .rules | nindent 6 }}
  matchConditions:
    - name: by-the-operator
      expression: {{ printf "request.userInfo.username == '%s'" (include "waxseal.userName" .root) | quote }}
  {{- with .variables }}
  variables:
    {{- . | nindent 4 }}
  {{- end }}
  validations:
    {{- .validations | nindent 4 }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "waxseal.labels" (list .root "operator") | nindent 4 }}
spec:
  policyName: {{ $name }}
  validationActions: [Deny]
{{- end -}}
