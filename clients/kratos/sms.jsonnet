// courier.channels[].request_config.body for https://otp.example.ru/v1/hooks/kratos/APPLICATION
function(ctx) {
  recipient: ctx.recipient,
  template_type: ctx.template_type,
  template_data: ctx.template_data,
  body: ctx.body,
  subject: ctx.subject,
  message_type: ctx.message_type,
}
